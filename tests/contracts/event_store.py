"""What every event store must do. A test module of a store subclasses the contract and gives `home`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import pytest

from ranker.errors import InvalidInputError, StateError
from ranker.events.records import Outcome
from ranker.events.request_codec import encode_request
from ranker.events.settings import Durability, EventSettings
from ranker.events.store import EventCounts, OutcomeStatus
from ranker.slate import ConstraintReport, Creative, Decision, Relation, ShownAd
from tests.ranker.events.test_request_codec import REQUEST

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ranker.events.store import EventStore

WINDOW_SECONDS = 10.0
EVERYTHING = 2**62
# No sweep but those that a test asks for.
SETTINGS = EventSettings(window_seconds=WINDOW_SECONDS, sweep_seconds=1e9)


@dataclass
class Clock:
    """Stands still until a test moves it."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


class Home(Protocol):
    """Opens a store on the same rows each time."""

    def __call__(self, clock: Clock, settings: EventSettings = SETTINGS) -> EventStore: ...


def make_decision(
    decision_id: str = "d",
    created_at: float = 1_000.0,
    *,
    num_positions: int = 3,
    default_reward: bool = True,
) -> Decision:
    """A decision with every kind of field filled."""
    creative = Creative("space", {"title": "größer", "image": "blue"}, 0.1 + 0.2, 7, 0.05, "f00")
    shown = tuple(
        ShownAd(f"ad-{j}", 0.1 / (j + 1), 0.3, 1.0, 1 / 3, creative if j % 2 == 0 else None)
        for j in range(num_positions)
    )
    return Decision(
        decision_id=decision_id,
        request_hash="hash",
        created_at=created_at,
        schema_id="schema",
        model_version="m1",
        posterior_version="p1",
        context={"hour": 13, "device": 2},
        candidate_ids=("ad-0", "ad-1", "ad-2", "ad-3"),
        ctr=(0.1, 0.05, 1e-300, 5e-324),
        slates=((0, 1, 2), (2, 1, 0)),
        probabilities=(1 / 3, 2 / 3),
        exploration_ratio=0.02,
        slate_propensity=0.02 / 24 + 0.98 / 3,
        shown=shown,
        constraints=(ConstraintReport("share", Relation.AT_LEAST, 0.2, 0.25, 0.05, 0.0, True),),
        solver_status="optimal",
        solver_steps=5,
        expected_objective=0.123456789012345678,
        objective_bound=float("inf"),
        default_reward=default_reward,
        stage_seconds={"solve": 1e-3},
    )


def click(event_id: str = "e", decision_id: str = "d", position: int = 0, reward: float = 1.0) -> Outcome:
    """An outcome event."""
    return Outcome(event_id, decision_id, position, "click", reward, 999.0)


def rewards(store: EventStore) -> list[tuple[str, int, float, bool]]:
    """Everything joined, in order."""
    joined = store.joined_after(0, 10_000)
    return [(row.decision.decision_id, row.position, row.reward, row.expired) for row in joined]


class EventStoreContract:
    """Subclass it with a fixture `home`."""

    @pytest.fixture
    def home(self) -> Home:
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def opened(self, home: Home, clock: Clock) -> AbstractContextManager[EventStore]:
        return closing(home(clock))

    def test_a_decision_reads_back_exactly(self, opened: AbstractContextManager[EventStore]) -> None:
        decision = make_decision()
        with opened as store:
            recorded = store.record_decision(decision).result()
            assert (recorded.decision, recorded.is_new) == (decision, True)
            assert store.find_decision("d") == decision
            assert store.find_decision("other") is None

    def test_a_captured_request_reads_back_exactly(self, opened: AbstractContextManager[EventStore]) -> None:
        with opened as store:
            store.record_decision(make_decision("with"), REQUEST).result()
            store.record_decision(make_decision("without")).result()
            found = store.find_request("with")
            assert found is not None
            assert encode_request(found) == encode_request(REQUEST)
            assert store.find_request("without") is None
            assert store.find_request("other") is None

    def test_the_first_decision_under_an_id_stays(self, opened: AbstractContextManager[EventStore]) -> None:
        first = make_decision()
        with opened as store:
            store.record_decision(first).result()
            again = store.record_decision(replace(first, request_hash="another")).result()
            assert (again.decision, again.is_new) == (first, False)
            assert (store.counts().decisions, store.counts().repeated) == (1, 1)

    def test_the_first_outcome_of_a_position_is_its_reward(
        self, opened: AbstractContextManager[EventStore]
    ) -> None:
        with opened as store:
            store.record_decision(make_decision())
            statuses = store.record_outcomes(
                [click("e1", position=1), click("e2", position=1, reward=0.0), click("e3", position=0)]
            ).result()
            assert statuses == [OutcomeStatus.JOINED, OutcomeStatus.ALREADY_REWARDED, OutcomeStatus.JOINED]
            assert rewards(store) == [("d", 1, 1.0, False), ("d", 0, 1.0, False)]

    def test_an_event_counts_once_whatever_the_retry_says(
        self, opened: AbstractContextManager[EventStore]
    ) -> None:
        with opened as store:
            store.record_decision(make_decision())
            store.record_outcomes([click("e", position=0)]).result()
            retries = [click("e", position=0), click("e", position=1), click("e", "nowhere")]
            assert store.record_outcomes(retries).result() == [OutcomeStatus.DUPLICATE] * 3
            assert rewards(store) == [("d", 0, 1.0, False)]
            assert (store.counts().outcomes, store.counts().duplicate) == (1, 3)

    def test_a_report_may_name_an_event_twice(self, opened: AbstractContextManager[EventStore]) -> None:
        with opened as store:
            store.record_decision(make_decision())
            statuses = store.record_outcomes([click("e"), click("e")]).result()
            assert statuses == [OutcomeStatus.JOINED, OutcomeStatus.DUPLICATE]

    def test_nothing_is_kept_of_an_outcome_without_its_decision(
        self, opened: AbstractContextManager[EventStore]
    ) -> None:
        with opened as store:
            early = [click("e1"), click("e2", position=3)]
            unknown = OutcomeStatus.UNKNOWN_DECISION
            assert store.record_outcomes(early).result() == [unknown, unknown]
            store.record_decision(make_decision())
            assert store.record_outcomes(early).result() == [
                OutcomeStatus.JOINED,
                OutcomeStatus.UNKNOWN_POSITION,
            ]
            counts = store.counts()
            assert (counts.outcomes, counts.unknown_decision, counts.unknown_position) == (1, 2, 1)

    def test_the_window_includes_its_last_moment(
        self, opened: AbstractContextManager[EventStore], clock: Clock
    ) -> None:
        with opened as store:
            store.record_decision(make_decision())
            clock.now = 1_000.0 + WINDOW_SECONDS
            assert store.sweep().result() == 0
            assert store.record_outcomes([click("e1", position=0)]).result() == [OutcomeStatus.JOINED]
            clock.now += 1e-6
            assert store.record_outcomes([click("e2", position=1)]).result() == [OutcomeStatus.LATE]
            assert rewards(store) == [("d", 0, 1.0, False)]
            assert (store.counts().joined, store.counts().late) == (1, 1)

    def test_silence_becomes_zero_once_the_window_has_passed(
        self, opened: AbstractContextManager[EventStore], clock: Clock
    ) -> None:
        with opened as store:
            store.record_decision(make_decision("quiet", created_at=1_001.0, num_positions=2))
            store.record_decision(make_decision("clicked"))
            store.record_decision(make_decision("silence means nothing", default_reward=False))
            store.record_outcomes([click("e", "clicked", position=1)])
            clock.now = 1_012.0
            assert store.sweep().result() == 4
            assert store.sweep().result() == 0
            assert rewards(store) == [
                ("clicked", 1, 1.0, False),
                ("clicked", 0, 0.0, True),
                ("clicked", 2, 0.0, True),
                ("quiet", 0, 0.0, True),
                ("quiet", 1, 0.0, True),
            ]
            assert store.counts().expired == 4

    def test_an_expired_position_stays_expired(
        self, opened: AbstractContextManager[EventStore], clock: Clock
    ) -> None:
        with opened as store:
            store.record_decision(make_decision(num_positions=1))
            clock.now = 1_011.0
            store.sweep()
            clock.now = 1_005.0  # set back: within the window again
            assert store.record_outcomes([click()]).result() == [OutcomeStatus.LATE]
            assert rewards(store) == [("d", 0, 0.0, True)]

    def test_a_sweep_takes_more_than_its_chunk(self, home: Home, clock: Clock) -> None:
        with closing(home(clock, replace(SETTINGS, sweep_limit=2))) as store:
            for i in range(5):
                store.record_decision(make_decision(f"d{i}", num_positions=i))
            clock.now = 2_000.0
            assert store.sweep().result() == 0 + 1 + 2 + 3 + 4

    def test_a_cursor_meets_every_reward_once(
        self, opened: AbstractContextManager[EventStore], clock: Clock
    ) -> None:
        with opened as store:
            for i in range(4):
                store.record_decision(make_decision(f"d{i}"))
                store.record_outcomes([click(f"e{i}", f"d{i}")])
            clock.now = 2_000.0
            store.sweep().result()
            cursor, met = 0, []
            while page := store.joined_after(cursor, 5):
                assert len(page) <= 5
                met += [(row.decision.decision_id, row.position) for row in page]
                cursor = page[-1].sequence
            assert len(met) == len(set(met)) == 12
            assert store.joined_after(cursor, 5) == []
            assert store.last_sequence() == cursor

    def test_everything_outlives_a_restart(self, home: Home, clock: Clock) -> None:
        with closing(home(clock)) as store:
            store.record_decision(make_decision())
            store.record_outcomes([click("e1"), click("e1"), click("e2"), click("e3", position=9)])
        with closing(home(clock)) as store:
            assert store.find_decision("d") == make_decision()
            assert store.record_decision(make_decision()).result().is_new is False
            assert store.record_outcomes([click("e1")]).result() == [OutcomeStatus.DUPLICATE]
            clock.now = 2_000.0
            assert store.sweep().result() == 2
            counts = store.counts()  # since it was opened
        assert counts == EventCounts(repeated=1, duplicate=1, expired=2)

    def test_sequences_go_on_after_a_restart(self, home: Home, clock: Clock) -> None:
        with closing(home(clock)) as store:
            store.record_decision(make_decision())
            store.record_outcomes([click("e1", position=0)])
        with closing(home(clock)) as store:
            (first,) = store.joined_after(0, 10)
            store.record_outcomes([click("e2", position=1)]).result()
            (second,) = store.joined_after(first.sequence, 10)
            assert second.position == 1

    def test_closing_writes_what_is_queued(self, home: Home, clock: Clock) -> None:
        store = home(clock)
        futures = [store.record_decision(make_decision(f"d{i}")) for i in range(200)]
        store.close()
        assert all(future.result(timeout=0).is_new for future in futures)

    def test_a_closed_store_says_so(self, home: Home, clock: Clock) -> None:
        store = home(clock)
        store.check()
        store.close()
        store.close()
        with pytest.raises(StateError):
            store.check()
        with pytest.raises(StateError):
            store.record_decision(make_decision())
        with pytest.raises(StateError):
            store.record_outcomes([click()])
        with pytest.raises(StateError):
            store.find_decision("d")
        with pytest.raises(StateError):
            store.joined_after(0, 1)

    def test_threads_race_for_the_same_ids(self, opened: AbstractContextManager[EventStore]) -> None:
        def record(thread: int) -> int:
            mine = [replace(make_decision(f"d{i}"), request_hash=f"of thread {thread}") for i in range(300)]
            recorded = [store.record_decision(decision) for decision in mine]
            report = store.record_outcomes([click(f"{thread}-{i}", f"d{i}") for i in range(300)]).result()
            assert OutcomeStatus.UNKNOWN_DECISION not in report
            return sum(future.result().is_new for future in recorded)

        with opened as store, ThreadPoolExecutor(2) as threads:
            assert sum(threads.map(record, (1, 2))) == 300
            counts = store.counts()
            assert (counts.decisions, counts.repeated, counts.queued) == (300, 300, 0)
            assert (counts.joined, counts.already_rewarded) == (300, 300)

    @pytest.mark.parametrize("durability", list(Durability))
    def test_durability_decides_only_whether_to_wait(
        self, home: Home, clock: Clock, durability: Durability
    ) -> None:
        with closing(home(clock, replace(SETTINGS, durability=durability))) as store:
            assert store.durability is durability
            assert store.record_decision(make_decision()).result().is_new

    def test_an_empty_report_is_none(self, opened: AbstractContextManager[EventStore]) -> None:
        with opened as store:
            assert store.record_outcomes([]).result() == []

    def test_a_report_beyond_the_queue_is_refused(self, home: Home, clock: Clock) -> None:
        with closing(home(clock, replace(SETTINGS, queue_capacity=2))) as store:
            with pytest.raises(InvalidInputError, match="takes at most 2"):
                store.record_outcomes([click("1"), click("2"), click("3")])
            assert store.record_outcomes([click("1"), click("2")]).result()

    def test_a_decision_without_a_time_is_refused(self, opened: AbstractContextManager[EventStore]) -> None:
        with opened as store, pytest.raises(InvalidInputError, match="created_at"):
            store.record_decision(make_decision(created_at=float("nan")))
