"""What a trial store owes its workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from nas.errors import SearchError
from nas.trial import Trial
from nas.trials.store import Claim, LeaseSettings, State, TrialStore
from nas.trials.tables import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def trials_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/trials.db"
    url: str = request.getfixturevalue("empty_url")
    return url


@pytest.fixture
def store(trials_url: str, clock: Clock) -> Iterator[TrialStore]:
    with TrialStore(trials_url, "s", LeaseSettings(10.0, 3), clock) as store:
        store.describe({"seed": 1})
        yield store


def claimed(store: TrialStore, owner: str = "w") -> Claim:
    claim = store.claim(owner)
    assert claim is not None
    return claim


def test_a_trial_goes_from_waiting_to_leased_to_finished(store: TrialStore) -> None:
    store.propose(0, (1, 2))
    assert store.get(0).state is State.WAITING
    claim = claimed(store)
    assert claim == Claim(0, (1, 2), 1)
    assert store.get(0).state is State.LEASED
    assert store.claim("other") is None
    assert store.finish(claim, Trial((1, 2), 0.5, 2.0))
    found = store.get(0)
    assert (found.state, found.trial) == (State.FINISHED, Trial((1, 2), 0.5, 2.0))


def test_trials_are_claimed_in_order(store: TrialStore) -> None:
    for number in (2, 0, 1):
        store.propose(number, (number,))
    assert [claimed(store).number for _ in range(3)] == [0, 1, 2]


def test_a_trial_without_a_latency_has_none_when_read_again(store: TrialStore) -> None:
    store.propose(0, (1,))
    store.finish(claimed(store), Trial((1,), 0.5))
    trial = store.get(0).trial
    assert trial is not None
    assert trial.latency != trial.latency


def test_an_expired_lease_is_taken_over_and_the_late_result_changes_nothing(
    store: TrialStore, clock: Clock
) -> None:
    store.propose(0, (1,))
    slow = claimed(store, "slow")
    clock.now += 9.9
    assert store.claim("eager") is None
    clock.now += 0.1
    quick = claimed(store, "quick")
    assert quick.attempt == 2
    assert not store.heartbeat(slow)
    assert not store.finish(slow, Trial((1,), 0.1))
    assert not store.fail(slow, "too late")
    assert store.finish(quick, Trial((1,), 0.9))
    assert not store.finish(quick, Trial((1,), 0.8))
    assert store.get(0).trial == Trial((1,), 0.9)


def test_a_heartbeat_keeps_a_lease(store: TrialStore, clock: Clock) -> None:
    store.propose(0, (1,))
    claim = claimed(store)
    for _ in range(5):
        clock.now += 9.0
        assert store.heartbeat(claim)
        assert store.claim("other") is None


def test_who_was_late_but_not_replaced_may_still_finish(store: TrialStore, clock: Clock) -> None:
    store.propose(0, (1,))
    claim = claimed(store)
    clock.now += 1e6
    assert store.finish(claim, Trial((1,), 0.5))


def test_a_trial_that_kills_every_worker_fails(store: TrialStore, clock: Clock) -> None:
    store.propose(0, (1,))
    store.propose(1, (2,))
    for attempt in (1, 2, 3):
        assert claimed(store) == Claim(0, (1,), attempt)
        clock.now += 10.0
    assert claimed(store).number == 1
    assert (store.get(0).state, store.get(0).error) == (State.FAILED, "its workers died")


def test_a_refused_trial_is_tried_again_and_then_fails(store: TrialStore) -> None:
    store.propose(0, (1,))
    for state in (State.WAITING, State.WAITING, State.FAILED):
        assert store.fail(claimed(store), "no such width")
        assert store.get(0).state is state
    assert store.get(0).error == "no such width"
    assert store.counts()[State.FAILED] == 1


def test_the_leases_of_a_dead_worker_are_released(store: TrialStore) -> None:
    store.propose(0, (1,))
    store.propose(1, (2,))
    claimed(store, "dead")
    claimed(store, "alive")
    assert store.release("dead") == 1
    assert claimed(store, "alive") == Claim(0, (1,), 2)
    assert store.claim("alive") is None


def test_many_workers_get_each_trial_once(store: TrialStore) -> None:
    for number in range(40):
        store.propose(number, (number,))

    def drain(worker: int) -> list[int]:
        numbers = []
        while (claim := store.claim(f"w{worker}")) is not None:
            numbers.append(claim.number)
            assert store.finish(claim, Trial(claim.architecture, 1.0))
        return numbers

    with ThreadPoolExecutor(4) as pool:
        done = [number for numbers in pool.map(drain, range(4)) for number in numbers]
    assert sorted(done) == list(range(40))
    assert store.counts()[State.FINISHED] == 40


def test_searches_of_one_database_are_apart(store: TrialStore, trials_url: str) -> None:
    store.propose(0, (1,))
    with TrialStore(trials_url, "other") as other:
        other.describe({"seed": 2})
        assert other.claim("w") is None
        assert other.counts()[State.WAITING] == 0


def test_a_search_that_changed_is_refused_by_the_key_that_did(store: TrialStore) -> None:
    store.describe({"seed": 1})
    with pytest.raises(SearchError, match=r"search\[s\]\.seed = 2: was begun with 1"):
        store.describe({"seed": 2})


def test_a_proposal_that_changed_is_refused(store: TrialStore) -> None:
    store.propose(0, (1,))
    store.propose(0, (1,))
    with pytest.raises(SearchError, match=r"trial\[0\] = \(2,\): is stored as \(1,\)"):
        store.propose(0, (2,))


def test_wrong_input_is_named(store: TrialStore) -> None:
    with pytest.raises(SearchError, match="number = 7"):
        store.get(7)
    store.propose(0, (1,))
    with pytest.raises(SearchError, match=r"trial\.architecture = \(2,\)"):
        store.finish(claimed(store), Trial((2,), 1.0))
    with pytest.raises(SearchError, match=r"lease\.seconds = 0"):
        LeaseSettings(0.0)
    with pytest.raises(SearchError, match=r"lease\.max_attempts = 0"):
        LeaseSettings(1.0, 0)
    with pytest.raises(SearchError, match="trials = 'nonsense'"):
        connect("nonsense")
    with pytest.raises(SearchError, match="must be sqlite"):
        connect("mysql://host/db")
