"""From a trained network to the file that a service runs."""
