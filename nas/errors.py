"""Errors of architecture search: each names the field and the value."""

from __future__ import annotations


class SearchError(ValueError):
    """A space, architecture, measurement or setting is wrong."""

    def __init__(self, field: str, value: object, problem: str) -> None:
        super().__init__(f"{field} = {value!r}: {problem}")
        self.field = field
        self.value = value
        self.problem = problem

    def __reduce__(self) -> tuple[type[SearchError], tuple[str, object, str]]:
        """Lets a worker process raise it in its parent."""
        return type(self), (self.field, self.value, self.problem)
