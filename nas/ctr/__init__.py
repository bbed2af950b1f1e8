"""The search space of CTR models and its networks, shared and stand-alone."""
