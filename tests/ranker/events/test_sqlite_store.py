"""The SQLite store keeps the contract, alone, against a model, and beside other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ranker.events.sqlite_store import SqliteEventStore
from tests.contracts.event_age import AgeContract
from tests.contracts.event_store import SETTINGS, Clock, EventStoreContract, Home

if TYPE_CHECKING:
    from pathlib import Path

    from ranker.events.settings import EventSettings


class TestSqliteStore(EventStoreContract, AgeContract):
    @pytest.fixture
    def home(self, tmp_path: Path) -> Home:
        def open_store(clock: Clock, settings: EventSettings = SETTINGS) -> SqliteEventStore:
            return SqliteEventStore(tmp_path / "home" / "events.db", settings, clock)

        return open_store
