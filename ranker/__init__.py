"""Constrained ad ranking: scores, slates, decisions and their evaluation."""
