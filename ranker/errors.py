"""Our exceptions: each names the field, the value and what to do about it."""

from __future__ import annotations


class RankerError(Exception):
    """Says which field of the input is wrong, with its value and the remedy.

    Subclasses only say of which kind the mistake is; the serving edge maps each to a gRPC status.
    """

    def __init__(self, field: str, value: object, problem: str) -> None:
        super().__init__(f"{field} = {value!r}: {problem}")
        self.field = field
        self.value = value
        self.problem = problem

    def __reduce__(self) -> tuple[type[RankerError], tuple[str, object, str]]:
        """Lets a worker process raise it in its parent."""
        return type(self), (self.field, self.value, self.problem)


class InvalidInputError(RankerError):
    """The input is wrong whatever the state of the service: correct it and send it again."""


class NotFoundError(RankerError):
    """The input names something that this service does not have."""


class StateError(RankerError):
    """The input is fine, but the service is not in a state that can serve it."""


class UnauthenticatedError(RankerError):
    """The caller does not show a token that is known: get one."""


class ForbiddenError(RankerError):
    """The caller's token is not good for this: get one with the scope."""


class OverloadedError(RankerError):
    """A bounded resource is full: retry, not before `retry_seconds`."""

    def __init__(self, field: str, value: object, problem: str, retry_seconds: float = 0.1) -> None:
        super().__init__(field, value, problem)
        self.retry_seconds = retry_seconds
