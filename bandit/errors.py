"""What `bandit` raises: each error names the field, its value and what is wrong with it."""

from __future__ import annotations


class CreativeError(Exception):
    """Says which field is wrong, with its value and the problem."""

    def __init__(self, field: str, value: object, problem: str) -> None:
        super().__init__(f"{field} = {value!r}: {problem}")
        self.field = field
        self.value = value
        self.problem = problem

    def __reduce__(self) -> tuple[type[CreativeError], tuple[str, object, str]]:
        """Lets a worker process raise it in its parent."""
        return type(self), (self.field, self.value, self.problem)


class UnknownSpaceError(CreativeError):
    """The catalogue has no creative space of this id."""


class ContextError(CreativeError):
    """A context field that the space uses is missing or out of range."""


class CatalogueError(CreativeError):
    """The catalogue contradicts itself, or something names what it does not have."""


class SnapshotError(CreativeError):
    """A stored posterior is missing, damaged or belongs to another catalogue."""
