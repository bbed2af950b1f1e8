"""`adranker demo`: real logged traffic through a real server, and a report of what happened."""
