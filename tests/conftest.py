"""A real PostgreSQL for all tests of one process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.postgres_cluster import PostgresCluster, find_binaries
from ranker.events.postgres import migrate


@pytest.fixture(scope="session")
def cluster() -> Iterator[PostgresCluster]:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    running = PostgresCluster(binaries)
    yield running
    running.remove()


@pytest.fixture
def empty_url(cluster: PostgresCluster) -> str:
    return cluster.create_database()


@pytest.fixture
def url(empty_url: str) -> str:
    migrate(empty_url)
    return empty_url
