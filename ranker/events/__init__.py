"""Decisions and outcomes: kept, joined by id within a window, exported."""
