"""Open-loop load on a running service."""
