"""A load from several processes: what one sends is bounded by its interpreter lock."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ranker.errors import InvalidInputError
from ranker.load.generator import LoadResult, merged, run_load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ranker.connection import Security
    from ranker.load.generator import LoadSettings

# Of a process: how far each of them is.
_shares: Any = None


def run_load_processes(
    address: str,
    bodies: Sequence[bytes],
    settings: LoadSettings,
    num_processes: int,
    progress: Callable[[float], None] = lambda _: None,
    security: Security | None = None,
) -> LoadResult:
    """Sends as `run_load` does, an equal share of the rate from each process, and adds up what came of it."""
    if num_processes < 1:
        raise InvalidInputError("processes", num_processes, "must be at least 1")
    if num_processes == 1:
        return run_load(address, bodies, settings, progress, security)
    context = multiprocessing.get_context("spawn")
    shares: Any = context.Array("d", num_processes)
    with ProcessPoolExecutor(num_processes, context, _take, (shares,)) as pool:
        running: list[Future[LoadResult]] = [
            pool.submit(_run, i, address, bodies, _part(settings, i, num_processes), security)
            for i in range(num_processes)
        ]
        while wait(running, timeout=0.2).not_done:
            progress(sum(shares) / num_processes)
        progress(1.0)
        return merged([each.result() for each in running])


def _part(settings: LoadSettings, i: int, number: int) -> LoadSettings:
    """Returns the load of one process: arrivals of their own, as Poisson streams add up to one."""
    prefix = f"{settings.request_id_prefix}-{i}"
    return replace(settings, rate=settings.rate / number, seed=settings.seed + i, request_id_prefix=prefix)


def _take(shares: Any) -> None:
    global _shares  # how a pool hands a shared array to its processes
    _shares = shares


def _run(
    i: int, address: str, bodies: Sequence[bytes], settings: LoadSettings, security: Security | None
) -> LoadResult:
    def progress(share: float) -> None:
        _shares[i] = share

    return run_load(address, bodies, settings, progress, security)
