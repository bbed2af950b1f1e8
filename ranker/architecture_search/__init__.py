"""`adranker nas search`: from a click log to a network that is served."""
