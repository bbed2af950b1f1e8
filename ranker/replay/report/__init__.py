"""The report of replayed rows: one HTML file."""
