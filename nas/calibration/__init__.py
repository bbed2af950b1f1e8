"""Times models on the device at hand and keeps the figures for prediction."""
