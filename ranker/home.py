"""The home directory: where a service finds its schemas, models, creatives and events."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ranker.errors import NotFoundError, StateError

if TYPE_CHECKING:
    from pathlib import Path

DRAW_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Home:
    """Names every place below the root, so that no other code spells a path."""

    root: Path
    # A postgresql:// URL, where the events are not in the home; it may hold a password.
    events_url: str | None = field(default=None, repr=False)

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
    def leases(self) -> Path | str:
        """Where learner and consumer keep their leases: beside events that have a URL, else in a file."""
        return self.events_url or self.root / "creatives" / "learner.db"

    @property
    def attention(self) -> Path:
        """The attention file, of `adranker fit-attention`; may be absent."""
        return self.root / "attention.json"

    @property
    def events(self) -> Path:
        """The database of decisions and outcomes."""
        return self.root / "events" / "events.db"

    @property
    def event_location(self) -> Path | str:
        """Where the events are read: the URL, or else the database in the home."""
        return self.events_url or self.events

    def check(self) -> None:
        """Raises NotFoundError where there is no home."""
        if not self.root.is_dir():
            raise NotFoundError(
                "home", str(self.root), "no such directory: make one with `adranker init --home`"
            )

    def draw_key(self) -> bytes:
        """Returns the secret of the draws, made at the first call; replicas share it through the home."""
        path = self.root / "draw.key"
        if not path.exists():
            # Written under another name: a reader sees a whole key, and the first of two writers wins.
            draft = self.root / f".draw.key.{os.getpid()}"
            draft.touch(mode=0o600)
            draft.write_bytes(secrets.token_bytes(DRAW_KEY_BYTES))
            with suppress(FileExistsError):
                path.hardlink_to(draft)
            draft.unlink()
        key = path.read_bytes()
        if len(key) != DRAW_KEY_BYTES:
            raise StateError(
                str(path), f"{len(key)} bytes", f"must have {DRAW_KEY_BYTES}: restore or remove it"
            )
        return key
