"""What every event store must do with what is old, and with what is still open."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from ranker.events.store import OutcomeStatus
from tests.contracts.event_store import EVERYTHING, SETTINGS, click, make_decision
from tests.ranker.events.test_request_codec import REQUEST

if TYPE_CHECKING:
    from tests.contracts.event_store import Clock, Home


class AgeContract:
    """Subclass it beside EventStoreContract, whose fixtures it takes."""

    def test_what_is_old_and_learned_is_deleted_in_its_order(self, home: Home, clock: Clock) -> None:
        settings = replace(SETTINGS, keep_decisions_seconds=100.0, keep_unexported=False)
        with closing(home(clock, settings)) as store:
            for i in range(4):
                store.record_decision(make_decision(f"d{i}", created_at=1_000.0 + i), REQUEST)
                store.record_outcomes([click(f"e{i}", f"d{i}")])
            clock.now = 1_050.0
            store.sweep()
            assert store.retire(EVERYTHING).result() == 0  # young
            clock.now = 1_102.5
            learned = store.joined_after(0, 100)
            of_first = max(row.sequence for row in learned if row.decision.decision_id == "d0")
            assert store.retire(of_first - 1).result() == 0  # not learned yet
            assert store.retire(of_first).result() == 2  # d0 and its request
            assert store.retire(EVERYTHING).result() == 4
            found = [i for i in range(4) if store.find_decision(f"d{i}") is not None]
            assert found == [3]
            assert {row.decision.decision_id for row in store.joined_after(0, 100)} == {"d3"}
            assert (store.find_request("d2"), store.find_request("d3") is None) == (None, False)
            assert store.record_outcomes([click("e1", "d1")]).result() == [OutcomeStatus.UNKNOWN_DECISION]
            counts = store.counts()
            assert (counts.retired, counts.retired_requests) == (3, 3)

    def test_an_open_window_holds_back_what_came_later(self, home: Home, clock: Clock) -> None:
        settings = replace(SETTINGS, keep_decisions_seconds=50.0, keep_unexported=False)
        with closing(home(clock, settings)) as store:
            store.record_decision(make_decision("open"))
            store.record_decision(make_decision("silent", default_reward=False))
            store.record_decision(make_decision("last"))
            clock.now = 2_000.0
            assert store.retire(EVERYTHING).result() == 0
            store.sweep()
            assert store.retire(EVERYTHING).result() == 2

    def test_requests_are_deleted_before_their_decisions(self, home: Home, clock: Clock) -> None:
        settings = replace(SETTINGS, keep_requests_seconds=20.0, keep_unexported=False, sweep_limit=2)
        with closing(home(clock, settings)) as store:
            for i in range(4):
                store.record_decision(make_decision(f"d{i}"), REQUEST)
            clock.now = 1_021.0
            assert [store.retire(0).result() for _ in range(3)] == [2, 1, 0]  # the newest decision's stays
            assert store.find_request("d2") is None
            assert store.find_request("d3") is not None
            assert store.find_decision("d0") == make_decision("d0")

    def test_what_was_never_exported_is_not_deleted(self, home: Home, clock: Clock) -> None:
        settings = replace(SETTINGS, keep_requests_seconds=20.0, keep_decisions_seconds=20.0)
        with closing(home(clock, settings)) as store:
            store.record_decision(make_decision("a"), REQUEST)
            store.record_decision(make_decision("b"), REQUEST)
            clock.now = 2_000.0
            store.sweep().result()
            assert store.retire(EVERYTHING).result() == 0
            assert store.find_request("a") is not None

    def test_open_decisions_tell_their_positions_without_a_reward(self, home: Home, clock: Clock) -> None:
        with closing(home(clock)) as store:
            for name in ("old", "young", "empty"):
                store.record_decision(make_decision(name, clock.now, num_positions=3 * (name != "empty")))
                clock.now += 3.0
            store.record_decision(make_decision("unpaid", clock.now, default_reward=False))
            store.record_outcomes([click("e1", "old", 1), click("e2", "young", 0), click("e3", "young", 2)])
            store.record_outcomes([click("e4", "young", 2, reward=0.0)]).result()
            opened, stands_for = store.open_decisions(10)
            assert [(each.decision.decision_id, each.positions) for each in opened] == [
                ("old", (0, 2)),
                ("young", (1,)),
            ]
            assert stands_for == 1
            clock.now += 2.5
            store.sweep().result()  # the window of 10 seconds is over for the old one
            assert [each.decision.decision_id for each in store.open_decisions(10)[0]] == ["young"]

    def test_times_of_positive_rewards_are_those_of_open_decisions(self, home: Home, clock: Clock) -> None:
        with closing(home(clock)) as store:
            for name in ("a", "b"):
                store.record_decision(make_decision(name, clock.now))
                clock.now += 4.0
            store.record_outcomes([click("e1", "a", 0), click("e2", "a", 1, reward=0.0)]).result()
            clock.now += 1.5
            store.record_outcomes([click("e3", "b", 2), click("e4", "b", 2)]).result()
            assert store.reward_times(10) == [(1_000.0, 1_008.0), (1_004.0, 1_009.5)]
            clock.now += 2.0
            store.sweep().result()
            assert store.reward_times(10) == [(1_004.0, 1_009.5)]

    def test_of_many_open_decisions_a_sample_stands_for_all(self, home: Home, clock: Clock) -> None:
        with closing(home(clock)) as store:
            for i in range(30):
                store.record_decision(make_decision(f"d{i}", num_positions=1))
                store.record_outcomes([click(f"e{i}", f"d{i}")] * (i % 2)).result()
            opened, stands_for = store.open_decisions(10)
            assert (len(opened), stands_for) == (10, 3)
            assert sorted(each.positions for each in opened) == [()] * 5 + [(0,)] * 5
            assert len(store.reward_times(10)) == 5
