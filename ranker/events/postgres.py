"""PostgreSQL for the event store: its URL, its layout, and how it is connected to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from ranker.errors import InvalidInputError, StateError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

VERSION = "3"  # of the layout: the newest in migrations/versions, which count up
VERSION_TABLE = "adranker_events_version"
# One writer at a time over all servers, so that rewards are committed in the order of their sequences.
WRITE_LOCK = text("SELECT pg_advisory_xact_lock(7166126514)")
_CONNECT_SECONDS = 5
# Without an answer from the other host a connection is given up after so long.
_NETWORK_SECONDS = 10


def parse_url(url: str) -> URL:
    """Read a postgresql:// URL; its errors never show it, because it may hold a password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidInputError(
            "events_url", "(hidden)", "must look like postgresql://user:password@host:5432/database"
        ) from None
    if parsed.drivername != "postgresql":
        raise InvalidInputError("events_url", f"{parsed.drivername}://…", "must start with postgresql://")
    if not parsed.database:
        raise InvalidInputError("events_url", shown(parsed), "must name a database")
    return parsed.set(drivername="postgresql+psycopg")


def shown(url: URL) -> str:
    """Give what may be told of a URL: neither password nor options."""
    host = url.host or url.query.get("host", "localhost")
    return f"postgresql://{host}{'' if url.port is None else f':{url.port}'}/{url.database or ''}"


def make_engine(
    url: str, isolation_level: Literal["AUTOCOMMIT", "READ COMMITTED"], **parameters: str
) -> Engine:
    """Give connections with these run-time parameters; errors come within seconds and show no records.

    Each connection is its holder's alone and closed by it: no pool keeps one behind its back.
    """
    parsed = parse_url(url)
    options = [str(parsed.query.get("options", ""))]
    options += [f"-c {name}={value}" for name, value in parameters.items()]
    network = {
        "connect_timeout": _CONNECT_SECONDS,
        "keepalives_idle": _NETWORK_SECONDS // 2,
        "keepalives_interval": 1,
        "keepalives_count": _NETWORK_SECONDS // 2,
        "tcp_user_timeout": _NETWORK_SECONDS * 1000,
    }
    return create_engine(
        parsed,
        isolation_level=isolation_level,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={**network, "options": " ".join(options).strip()},
    )


def migrate(url: str) -> str:
    """Bring the tables to the layout of this release, and give its version; StateError if they are newer."""
    engine = make_engine(url, "READ COMMITTED", lock_timeout="60s")
    try:
        with engine.begin() as connection:
            connection.execute(WRITE_LOCK)  # two at once: the second finds it done
            _refuse_newer(engine, _found_version(connection))
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise unusable(engine, error) from error
    finally:
        engine.dispose()
    return VERSION


def check_layout(engine: Engine) -> None:
    """Raise StateError where the database cannot be reached, or has another layout than this release."""
    try:
        with engine.connect() as connection:
            version = _found_version(connection)
    except DBAPIError as error:
        raise unusable(engine, error) from error
    _refuse_newer(engine, version)
    if version != VERSION:
        found = "has no tables" if version is None else f"has layout {version}, this release {VERSION}"
        raise StateError("events_url", shown(engine.url), f"{found}: run `adranker events migrate`")


def _found_version(connection: Connection) -> str | None:
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()


def _refuse_newer(engine: Engine, version: str | None) -> None:
    if version is not None and not (version.isdecimal() and int(version) <= int(VERSION)):
        raise StateError(
            "events_url",
            shown(engine.url),
            f"has layout {version}, this release knows {VERSION} and older: use the release that made it",
        )


def unusable(engine: Engine, error: DBAPIError) -> StateError:
    """Give the error that names the database and what the driver says."""
    return StateError("events_url", shown(engine.url), f"cannot be used: {str(error.orig).strip()}")
