"""Any order of decisions, outcomes, sweeps and restarts leaves what a model in plain Python says."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ranker.events.settings import Durability
from ranker.events.sqlite_store import SqliteEventStore
from ranker.events.store import EventCounts, OutcomeStatus
from tests.contracts.event_store import SETTINGS, WINDOW_SECONDS, Clock, click, make_decision, rewards

NAMES = st.sampled_from(["a", "b", "c", "d"])
REPORTED = st.tuples(
    st.integers(0, 30),  # event
    NAMES,
    st.integers(0, 3),  # position: decisions show 0 to 3
    st.sampled_from([0.0, 1.0]),
)


class StoreBesideModel(RuleBasedStateMachine):
    """Does everything twice: in the store, and in dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.store = self.open()
        self.decisions: dict[str, tuple[float, int, bool]] = {}  # created_at, positions, default_reward
        self.events: set[int] = set()
        self.rewards: dict[tuple[str, int], tuple[float, bool]] = {}  # in order of joining
        self.counts = EventCounts()

    def open(self) -> SqliteEventStore:
        chunked = replace(SETTINGS, sweep_limit=1, batch_limit=2, durability=Durability.QUEUED)
        return SqliteEventStore(Path(self.home.name) / "events.db", chunked, self.clock)

    def count(self, name: str, number: int = 1) -> None:
        self.counts = replace(self.counts, **{name: getattr(self.counts, name) + number})

    @rule(name=NAMES, age=st.integers(-2, 12), num_positions=st.integers(0, 3), default_reward=st.booleans())
    def decide(self, name: str, age: int, num_positions: int, default_reward: bool) -> None:
        created_at = self.clock.now - age
        decision = make_decision(name, created_at, num_positions=num_positions, default_reward=default_reward)
        recorded = self.store.record_decision(decision).result()
        assert recorded.is_new == (name not in self.decisions)
        if recorded.is_new:
            self.decisions[name] = (created_at, num_positions, default_reward)
        self.count("decisions" if recorded.is_new else "repeated")

    @rule(report=st.lists(REPORTED, max_size=5))
    def report(self, report: list[tuple[int, str, int, float]]) -> None:
        outcomes = [click(str(event), name, position, reward) for event, name, position, reward in report]
        statuses = self.store.record_outcomes(outcomes).result()
        assert statuses == [self.expected(*one) for one in report]

    def expected(self, event: int, name: str, position: int, reward: float) -> OutcomeStatus:
        status = self.judged(event, name, position)
        if status is OutcomeStatus.JOINED:
            self.rewards[name, position] = (reward, False)
        if status in (OutcomeStatus.JOINED, OutcomeStatus.LATE, OutcomeStatus.ALREADY_REWARDED):
            self.events.add(event)
        self.count(status.value)
        return status

    def judged(self, event: int, name: str, position: int) -> OutcomeStatus:
        if event in self.events:
            return OutcomeStatus.DUPLICATE
        if name not in self.decisions:
            return OutcomeStatus.UNKNOWN_DECISION
        created_at, num_positions, _ = self.decisions[name]
        if position >= num_positions:
            return OutcomeStatus.UNKNOWN_POSITION
        if self.clock.now - created_at > WINDOW_SECONDS:
            return OutcomeStatus.LATE
        if (name, position) in self.rewards:
            return OutcomeStatus.ALREADY_REWARDED
        return OutcomeStatus.JOINED

    @rule()
    def sweep(self) -> None:
        due = sorted(  # stable: decisions of one moment stay in the order of recording
            (
                (created_at, name, positions)
                for name, (created_at, positions, default_reward) in self.decisions.items()
                if default_reward and self.clock.now - created_at > WINDOW_SECONDS
            ),
            key=lambda item: item[0],
        )
        silent = [(n, j) for _, n, positions in due for j in range(positions) if (n, j) not in self.rewards]
        assert self.store.sweep().result() == len(silent)
        self.rewards.update(dict.fromkeys(silent, (0.0, True)))
        self.count("expired", len(silent))

    @rule(seconds=st.integers(0, 6))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = self.open()
        self.counts = EventCounts()

    @invariant()
    def agrees(self) -> None:
        assert self.store.counts() == self.counts
        assert rewards(self.store) == [(*at, *reward) for at, reward in self.rewards.items()]

    def teardown(self) -> None:
        self.store.close()
        self.home.cleanup()


TestStoreBesideModel = StoreBesideModel.TestCase
TestStoreBesideModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
