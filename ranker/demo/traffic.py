"""The demo's traffic: rounds of census requests and of replayed shop requests, learned from in between."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.demo.census import creative_request, draw_people, shown_class
from ranker.demo.fixtures import read_census, read_log
from ranker.demo.merchandising import item_id, slate_request
from ranker.events.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ranker.client import RankerClient
    from ranker.demo.calls import Call, Caller, Calls
    from ranker.serving.answer_conversion import Answer

    Integers: TypeAlias = NDArray[np.int64]

PEOPLE_SEED = 7
# Early beliefs change fast, so the first rounds are short.
ROUND_SHARES = (0.025, 0.025, 0.05, 0.1, *(0.1,) * 8)
MIN_ROUND = 250
# Longest that a round waits for the posterior that has learned from it.
WAIT_SECONDS = 30.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class SlateTraffic:
    """Shop requests that replay rows of the random log, in order of the log."""

    calls: tuple[Call, ...]
    wall_seconds: float
    num_matched: int  # rows whose item our slate showed at the same position
    num_clicks: int  # clicks logged in those rows, reported as outcomes


@dataclass(frozen=True, slots=True)
class CreativeTraffic:
    """Census requests in the order of their rounds."""

    calls: tuple[Call, ...]
    wall_seconds: float
    people: Integers  # (n,), rows of the census
    shown: Integers  # (n,), class that the creative showed
    rewards: NDArray[np.float64]  # (n,), 1 where it was the person's
    round_sizes: tuple[int, ...]
    wait_seconds: tuple[float, ...]  # by round, until the posterior with its outcomes was served


@dataclass(slots=True)
class _Sent:
    slates: list[Call] = field(default_factory=list)
    slate_seconds: float = 0.0
    creatives: list[Call] = field(default_factory=list)
    creative_seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    num_joined: int = 0
    num_matched: int = 0
    num_clicks: int = 0


def send_traffic(
    client: RankerClient, caller: Caller, num_requests: int, told: Callable[[str], None]
) -> tuple[SlateTraffic, CreativeTraffic]:
    """Send up to `num_requests` of each kind and report what became of them; `told` hears of each phase."""
    num_slates = min(num_requests, read_log("random").num_rows)
    census = read_census()
    people = draw_people(census, num_requests, np.random.default_rng(PEOPLE_SEED))
    sent = _Sent()
    sizes = round_sizes(num_requests)
    ends = np.cumsum(sizes)
    for number, (size, end) in enumerate(zip(sizes, ends.tolist(), strict=True), start=1):
        told(f"round {number} of {len(sizes)}: creatives")
        _send_creatives(client, caller, people, range(end - size, end), sent)
        to_learn = sent.num_joined
        told(f"round {number} of {len(sizes)}: slates")
        first, last = (num_slates * place // num_requests for place in (end - size, end))
        _send_slates(client, caller, range(first, last), sent)
        told(f"round {number} of {len(sizes)}: waiting for the learner")
        sent.waits.append(_wait_for_posterior(client, to_learn))
    shown = np.array([_shown(call.answer) for call in sent.creatives])
    rewards = (shown == census.classes[people]).astype(np.float64)
    slates = SlateTraffic(tuple(sent.slates), sent.slate_seconds, sent.num_matched, sent.num_clicks)
    creatives = CreativeTraffic(
        tuple(sent.creatives), sent.creative_seconds, people, shown, rewards, sizes, tuple(sent.waits)
    )
    return slates, creatives


def round_sizes(num_requests: int) -> tuple[int, ...]:
    """Divide the requests into rounds, at least two and none too small to learn from."""
    least = min(MIN_ROUND, num_requests // 2)
    ends = np.rint(np.cumsum(ROUND_SHARES) / np.sum(ROUND_SHARES) * num_requests).astype(int).tolist()
    sizes, start = [], 0
    for end in ends:
        if end - start >= least and (num_requests - end >= least or end == num_requests):
            sizes.append(end - start)
            start = end
    return tuple(sizes)


def _send_creatives(
    client: RankerClient, caller: Caller, people: Integers, places: range, sent: _Sent
) -> None:
    census = read_census()

    def request_id(place: int) -> str:
        return f"adult-{place:05d}"

    found = caller.rank(lambda place: creative_request(census, int(people[place]), request_id(place)), places)
    outcomes = [
        Outcome(
            event_id=f"{request_id(place)}-answer",
            decision_id=call.answer.decision_id,
            position=0,
            event_type="answer",
            reward=float(_shown(call.answer) == census.classes[people[place]]),
            occurred_at=time.time(),
        )
        for place, call in zip(places, found.calls, strict=True)
    ]
    sent.num_joined += client.report(outcomes).num_joined
    sent.creatives += found.calls
    sent.creative_seconds += found.wall_seconds


def _shown(answer: Answer) -> int:
    creative = answer.slate[0].creative
    if creative is None:
        raise AssertionError("a census request was answered without a creative")
    return shown_class(creative)


def _send_slates(client: RankerClient, caller: Caller, rows: Sequence[int], sent: _Sent) -> None:
    """Replay rows; where our slate has the logged item in its place, the logged click is our outcome."""
    log = read_log("random")
    found: Calls = caller.rank(lambda row: slate_request(log, row), rows)
    outcomes = []
    for row, call in zip(rows, found.calls, strict=True):
        position = int(log.positions[row])
        if call.answer.slate[position].candidate_id == item_id(int(log.items[row])):
            outcomes.append(
                Outcome(
                    event_id=f"{call.answer.decision_id}-click",
                    decision_id=call.answer.decision_id,
                    position=position,
                    event_type="click",
                    reward=float(log.clicks[row]),
                    occurred_at=time.time(),
                )
            )
    if outcomes:
        sent.num_joined += client.report(outcomes).num_joined
    sent.num_matched += len(outcomes)
    sent.num_clicks += int(sum(outcome.reward for outcome in outcomes))
    sent.slates += found.calls
    sent.slate_seconds += found.wall_seconds


def _wait_for_posterior(client: RankerClient, sequence: int) -> float:
    """Wait until the served posterior has learned from that many rewards, and return the seconds."""
    start = time.perf_counter()
    while (waited := time.perf_counter() - start) < WAIT_SECONDS:
        if _posterior_sequence(client) >= sequence:
            break
        time.sleep(POLL_SECONDS)
    return waited


def _posterior_sequence(client: RankerClient) -> int:
    posterior = client.versions().get("posterior")
    # Integers of 64 bits travel as text in JSON, and zero does not travel at all.
    return int(posterior.get("sequence", 0)) if isinstance(posterior, dict) else 0
