"""One pass over a log on all cores or on Ray: the same function on the same parts, added up in order."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Protocol

from ranker.errors import InvalidInputError
from ranker.replay.logged_batch import LoggedBatch, Policy, Rejection, WeightedRows, tally, weighted_rows
from ranker.replay.moments import Moments, Tuning, accumulate, add, no_rows
from ranker.replay.readers import Part, ReadOptions, check_ratio, read_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Engine(StrEnum):
    """Where the parts of a log are read."""

    LOCAL = "local"
    RAY = "ray"  # `pip install 'adranker[cluster]'`


class Weighing(Protocol):
    """Turns logged rows into what the estimators need; the default has no reward model."""

    def __call__(self, batch: LoggedBatch, policy: Policy) -> WeightedRows:
        """Return the rows as `policy` weighs them."""
        ...


@dataclass(frozen=True, slots=True)
class Pass:
    """What is done to every part; all of it can be pickled."""

    policies: tuple[Policy, ...]
    options: ReadOptions = field(default_factory=ReadOptions)
    tuning: Tuning = field(default_factory=Tuning)
    weigh: Weighing = weighted_rows


@dataclass(frozen=True, slots=True)
class PassResult:
    """The sums of a log for each policy, and what was left out."""

    moments: tuple[Moments, ...]
    num_rows: int
    rejected: tuple[Rejection, ...]


def run_part(task: Pass, part: Part) -> PassResult:
    """Read one part and add it up."""
    moments = [no_rows() for _ in task.policies]
    num_rows = 0
    rejected: tuple[Rejection, ...] = ()
    for batch in read_part(part, task.options):
        for i, policy in enumerate(task.policies):
            moments[i] = add(moments[i], accumulate(task.weigh(batch, policy), task.tuning))
        num_rows += batch.num_rows
        rejected = tally((*rejected, *batch.rejected))
    return PassResult(tuple(moments), num_rows, rejected)


def run_pass(
    task: Pass,
    parts: tuple[Part, ...],
    engine: Engine = Engine.LOCAL,
    progress: Callable[[int, int], None] | None = None,
    num_workers: int | None = None,
) -> PassResult:
    """Read all parts and add them up in their order: the same numbers whoever reads which.

    Raises `InvalidInputError` when too many rows cannot be used.
    """
    results = _ray(task, parts) if engine is Engine.RAY else _local(task, parts, num_workers)
    total = PassResult(tuple(no_rows() for _ in task.policies), 0, ())
    for done, result in enumerate(results, start=1):
        total = PassResult(
            tuple(add(a, b) for a, b in zip(total.moments, result.moments, strict=True)),
            total.num_rows + result.num_rows,
            tally((*total.rejected, *result.rejected)),
        )
        if progress is not None:
            progress(done, len(parts))
    check_ratio(total.num_rows, total.rejected, task.options.max_bad_ratio)
    return total


def _local(task: Pass, parts: tuple[Part, ...], num_workers: int | None) -> Iterator[PassResult]:
    workers = num_workers or len(os.sched_getaffinity(0))
    if workers == 1 or len(parts) == 1:
        yield from (run_part(task, part) for part in parts)
        return
    # Not forked: Arrow's threads do not survive that.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: deque[Any] = deque()
        for part in parts:
            waiting.append(pool.submit(run_part, task, part))
            if len(waiting) > 2 * workers:  # no more than that is held
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _ray(task: Pass, parts: tuple[Part, ...]) -> Iterable[PassResult]:
    try:
        import ray.data
    except ModuleNotFoundError:
        raise InvalidInputError("engine", "ray", "needs pip install 'adranker[cluster]'") from None

    def run(row: dict[str, Any]) -> dict[str, Any]:
        return {"number": row["number"], "result": [run_part(task, row["part"])]}

    rows = [{"number": i, "part": part} for i, part in enumerate(parts)]
    found = ray.data.from_items(rows, override_num_blocks=len(rows)).map(run).take_all()
    return [row["result"][0] for row in sorted(found, key=lambda row: row["number"])]
