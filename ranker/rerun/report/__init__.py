"""The report of a rerun log: one HTML file."""
