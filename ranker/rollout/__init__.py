"""Which model answers whom: pins, experiments by hashed unit, shadows, and the way back."""
