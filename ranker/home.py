"""The home directory: where a service finds its schemas, models, creatives and events."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ranker.errors import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

DRAW_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Home:
    """Names every place below the root, so that no other code spells a path."""

    root: Path

    @property
    def schemas(self) -> Path:
        """`<schema_id>.toml`: for requests that bring their own scores; a model brings its schema."""
        return self.root / "schemas"

    @property
    def models(self) -> Path:
        """`<schema_id>/<version>/`."""
        return self.root / "models"

    @property
    def catalogue(self) -> Path:
        """The creative catalogue; may be absent."""
        return self.root / "creatives" / "catalogue.json"

    @property
    def posteriors(self) -> Path:
        """`<version>/`: what the learner publishes."""
        return self.root / "creatives" / "posteriors"

    @property
    def events(self) -> Path:
        """The database of decisions and outcomes."""
        return self.root / "events" / "events.db"

    def check(self) -> None:
        """Raises NotFoundError where there is no home."""
        if not self.root.is_dir():
            raise NotFoundError(
                "home", str(self.root), "no such directory: make one with `adranker init --home`"
            )

    def draw_key(self) -> bytes:
        """Returns the secret of the draws, made at the first call; replicas share it through the home."""
        path = self.root / "draw.key"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_bytes()
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(DRAW_KEY_BYTES))
        return path.read_bytes()
