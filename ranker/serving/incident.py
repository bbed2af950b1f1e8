"""A trouble that lasts is logged once, not at each time that it is looked for."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


class Incident:
    """Remembers what it has told; for one thread."""

    def __init__(self) -> None:
        self._told = ""

    @contextmanager
    def watched(self, kind: type[Exception]) -> Iterator[None]:
        """Runs a check: an error of the kind is logged where it is a new one, and goes no further."""
        try:
            yield
            self._told = ""
        except kind as error:
            if str(error) != self._told:
                logger.error("%s", error)
                self._told = str(error)

    @property
    def open(self) -> bool:
        """Returns whether the last check failed."""
        return bool(self._told)
