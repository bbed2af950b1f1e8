"""The tables of a trial store, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Engine,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.exc import ArgumentError

from nas.errors import SearchError

METADATA = MetaData()

SEARCHES = Table(
    "adranker_searches",
    METADATA,
    Column("search_id", String(200), primary_key=True),
    Column("description", Text, nullable=False),
)

TRIALS = Table(
    "adranker_trials",
    METADATA,
    Column("search_id", ForeignKey(SEARCHES.c.search_id), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("architecture", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("lease_expires", Float, nullable=False),
    Column("quality", Float),
    Column("latency", Float),
    Column("error", Text, nullable=False),
)

_BUSY_SECONDS = 30.0


def connect(url: str) -> Engine:
    """Opens a database by its URL and makes the tables where they are missing.

    Raises:
        SearchError: the URL is none, or names neither SQLite nor PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SearchError("trials", url, "is not a database URL such as sqlite:///trials.db") from None
    kind = parsed.get_backend_name()
    if kind == "postgresql":
        engine = create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    elif kind == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS})
        event.listen(engine, "connect", _write_ahead)
    else:
        raise SearchError("trials", parsed.render_as_string(), "must be sqlite:// or postgresql://")
    METADATA.create_all(engine)
    return engine


def _write_ahead(connection: object, _record: object) -> None:
    """Readers do not wait for a writer then."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()
