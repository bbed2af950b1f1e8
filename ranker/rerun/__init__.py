"""Captured requests through the pipeline once more: against other models, limits or code."""
