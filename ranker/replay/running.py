"""One pass over a log on all cores or on Ray: the same function on the same parts, added up in order."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from enum import StrEnum
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ranker.errors import InvalidInputError, StateError
from ranker.replay.logged_batch import LoggedBatch, Policy, Rejection, WeightedRows, tally, weighted_rows
from ranker.replay.moments import Moments, Tuning, accumulate, add, no_rows
from ranker.replay.readers import Part, ReadOptions, check_ratio, read_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


# A report shows no more: of a column's values, and of the log in its order.
MAX_SEGMENTS = 50
MAX_STRETCHES = 20


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
    segment: str | None = None  # a column among the options' contexts: sums by its values too


@dataclass(frozen=True, slots=True)
class PassResult:
    """The sums of a log for each policy, and what was left out."""

    moments: tuple[Moments, ...]
    num_rows: int
    rejected: tuple[Rejection, ...]
    segments: dict[str, tuple[Moments, ...]] = field(default_factory=dict)
    stretches: tuple[tuple[Moments, ...], ...] = ()  # the same of consecutive parts, at most MAX_STRETCHES

    @property
    def digest(self) -> str:
        """A name for the sums: the same log and policies give the same, whoever adds up."""
        content = hashlib.sha256()
        for each in self.moments:
            content.update(each.sums.tobytes())
        return content.hexdigest()[:16]


def run_part(task: Pass, part: Part) -> PassResult:
    """Read one part and add it up."""
    total = _nothing(task)
    for batch in read_part(part, task.options):
        weighted = tuple(task.weigh(batch, policy) for policy in task.policies)
        found = PassResult(
            tuple(accumulate(rows, task.tuning) for rows in weighted),
            batch.num_rows,
            batch.rejected,
            {} if task.segment is None else _by_segment(task, batch, weighted),
        )
        total = _sum(total, found)
    return total


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
    total = _nothing(task)
    stretches: list[tuple[Moments, ...]] = []
    num_stretches = min(len(parts), MAX_STRETCHES)
    for done, result in enumerate(results, start=1):
        total = _sum(total, result)
        if (done - 1) * num_stretches // len(parts) == len(stretches):
            stretches.append(result.moments)
        else:
            stretches[-1] = _add_all(stretches[-1], result.moments)
        if progress is not None:
            progress(done, len(parts))
    check_ratio(total.num_rows, total.rejected, task.options.max_bad_ratio)
    return replace(total, stretches=tuple(stretches))


def _nothing(task: Pass) -> PassResult:
    return PassResult(tuple(no_rows() for _ in task.policies), 0, ())


def _sum(left: PassResult, right: PassResult) -> PassResult:
    segments = dict(left.segments)
    for name, moments in right.segments.items():
        segments[name] = _add_all(segments[name], moments) if name in segments else moments
    if len(segments) > MAX_SEGMENTS:
        raise InvalidInputError("segment", len(segments), f"has more than {MAX_SEGMENTS} values")
    return PassResult(
        _add_all(left.moments, right.moments),
        left.num_rows + right.num_rows,
        tally((*left.rejected, *right.rejected)),
        segments,
    )


def _add_all(left: tuple[Moments, ...], right: tuple[Moments, ...]) -> tuple[Moments, ...]:
    return tuple(add(a, b) for a, b in zip(left, right, strict=True))


def _by_segment(
    task: Pass, batch: LoggedBatch, weighted: tuple[WeightedRows, ...]
) -> dict[str, tuple[Moments, ...]]:
    """Return the sums of each value of the segment's column; numbers are written as they print."""
    column = batch.contexts[task.segment or ""]
    names, codes = np.unique(column if column.dtype.kind == "f" else column.astype(str), return_inverse=True)
    if names.size > MAX_SEGMENTS:
        raise InvalidInputError("segment", names.size, f"has more than {MAX_SEGMENTS} values")
    return {
        f"{name:g}" if names.dtype.kind == "f" else str(name): tuple(
            accumulate(rows.take(codes == i), task.tuning) for rows in weighted
        )
        for i, name in enumerate(names)
    }


def _local(task: Pass, parts: tuple[Part, ...], num_workers: int | None) -> Iterator[PassResult]:
    workers = num_workers or len(os.sched_getaffinity(0))
    if workers == 1 or len(parts) == 1:
        yield from (run_part(task, part) for part in parts)
        return
    # Not forked: Arrow's threads do not survive that.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: deque[Any] = deque()
        try:
            for part in parts:
                waiting.append(pool.submit(run_part, task, part))
                if len(waiting) > 2 * workers:  # no more than that is held
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise StateError(
                "num_workers", workers, "a worker process was killed, as by a lack of memory: ask for fewer"
            ) from None


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
