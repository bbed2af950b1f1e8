"""The report of a simulated scenario: one HTML file."""
