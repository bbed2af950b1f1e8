"""Errors of architecture search: each names the field and the value."""

from __future__ import annotations


class SearchError(ValueError):
    """A space, architecture, measurement or setting is wrong."""

    def __init__(self, field: str, value: object, problem: str) -> None:
        super().__init__(f"{field} = {value!r}: {problem}")
        self.field = field
        self.value = value
        self.problem = problem
