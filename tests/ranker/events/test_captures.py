import sqlite3
from contextlib import closing
from dataclasses import replace

import pyarrow.parquet as parquet

from ranker.decider import is_captured
from ranker.events.export import export_parquet
from ranker.events.reader import EventReader
from ranker.events.request_codec import decode_request
from ranker.events.sqlite_store import SqliteEventStore
from tests.contracts.event_store import make_decision
from tests.ranker.events.test_request_codec import REQUEST, same


def test_a_captured_request_is_kept_beside_its_decision(tmp_path):
    database = tmp_path / "events.db"
    with SqliteEventStore(database) as store:
        store.record_decision(make_decision("with"), replace(REQUEST, request_id="with")).result()
        store.record_decision(make_decision("without")).result()
        # A retry changes nothing, whatever it brings along.
        store.record_decision(make_decision("without"), REQUEST).result()
        with EventReader(database) as reader:
            assert same(reader.find_request("with"), replace(REQUEST, request_id="with"))
            assert reader.find_request("without") is None
        assert export_parquet(database, tmp_path / "out").captured == 1
    table = parquet.read_table(tmp_path / "out" / "requests")
    assert table["decision_id"].to_pylist() == ["with"]
    assert decode_request(table["record"][0].as_py()).request_id == "with"


def test_a_store_from_before_captures_is_read_exported_and_written(tmp_path):
    database = tmp_path / "events.db"
    with SqliteEventStore(database) as store:
        store.record_decision(make_decision("old")).result()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP TABLE captured_requests")
    with EventReader(database) as reader:
        assert reader.find_decision("old") == make_decision("old")
        assert reader.find_request("old") is None
    summary = export_parquet(database, tmp_path / "out")
    assert (summary.decisions, summary.captured) == (1, 0)
    with SqliteEventStore(database) as store:
        store.record_decision(make_decision("new"), REQUEST).result()
        assert store.find_decision("old") is not None
    with EventReader(database) as reader:
        assert reader.find_request("new") is not None


def test_the_share_of_captured_requests_is_that_of_the_setting():
    names = [f"r{i}" for i in range(20_000)]
    found = [is_captured(name, 0.2) for name in names]
    # 4 standard errors of a share
    assert abs(sum(found) / len(found) - 0.2) < 4 * (0.2 * 0.8 / len(found)) ** 0.5
    assert not any(is_captured(name, 0.0) for name in names)
    assert all(is_captured(name, 1.0) for name in names)
    # Whoever is captured at a small share is at a larger one.
    assert all(is_captured(name, 0.5) for name, small in zip(names, found, strict=True) if small)
