"""Architecture search: spaces, strategies behind one ask/tell Protocol, latency prediction."""
