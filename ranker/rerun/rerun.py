"""Reruns a whole log in chunks, with checkpoints."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ranker.code_version import code_version
from ranker.errors import StateError
from ranker.rerun.captured_log import Flaws, num_captured, read_captured
from ranker.rerun.chunk import Chunk, Totals, rerun_chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ranker.rerun.chunk import Bench
    from ranker.snapshot import Snapshot

CHUNK = 500


@dataclass(frozen=True, slots=True, eq=False)
class Rerun:
    """What all chunks gave."""

    columns: dict[str, NDArray[Any]]
    totals: dict[str, Totals]
    flaws: Flaws


def rerun_log(
    log: Path, bench: Bench, folder: Path | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Rerun:  # fmt: skip
    """Reruns every captured request of a log; with a `folder`, goes on where an interrupted run left it.

    Raises StateError where the folder belongs to another log, other policies, models or code.
    """
    if folder is not None:
        _claim(folder, log, bench)
    flaws = Flaws()
    captures = read_captured(log, flaws)
    total = num_captured(log)
    chunks: list[Chunk] = []
    first = 0
    while members := list(islice(captures, CHUNK)):
        place = None if folder is None else folder / f"chunk-{first:09d}"
        if place is not None and place.is_dir():
            chunks.append(_read(place))
        else:
            chunks.append(rerun_chunk(members, first, bench))
            if place is not None:
                _write(chunks[-1], place)
        first += len(members)
        progress(first, total)
    progress(total, total)
    return _joined(chunks, flaws)


def _claim(folder: Path, log: Path, bench: Bench) -> None:
    """Marks the folder with what is rerun, by content."""
    described = [code_version(), str(log.resolve()), num_captured(log), bench.draw_key.hex()]
    described += [str(asdict(each)) for each in bench.policies]
    described += [_versions(each) for each in bench.snapshots]
    name = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    owner = folder / "owner"
    if owner.exists() and owner.read_text() != name:
        raise StateError(
            "checkpoint",
            str(folder),
            "belongs to another log, other policies, models or code: choose another --out",
        )
    owner.write_text(name)


def _versions(snapshot: Snapshot) -> str:
    """Names what a snapshot answers with."""
    models = {schema_id: list(versions) for schema_id, versions in snapshot.scorers.items()}
    posterior = None if snapshot.selector is None else snapshot.selector.version
    return f"{models} {posterior} {snapshot.attention_version} {snapshot.schemas}"


def _write(chunk: Chunk, place: Path) -> None:
    """Writes under a temporary name and renames: a chunk is whole or absent."""
    draft = place.with_name(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    np.savez(draft / "columns.npz", allow_pickle=False, **{n: c for n, c in chunk.columns.items()})  # noqa: C416
    kept = {"totals": {n: asdict(t) for n, t in chunk.totals.items()}, "flaws": asdict(chunk.flaws)}
    (draft / "totals.json").write_text(json.dumps(kept))
    draft.rename(place)


def _read(place: Path) -> Chunk:
    with np.load(place / "columns.npz") as arrays:
        columns = {name: arrays[name] for name in arrays.files}
    kept = json.loads((place / "totals.json").read_text())
    totals = {name: msgspec.convert(each, Totals) for name, each in kept["totals"].items()}
    flaws = Flaws()
    flaws.counts.update(kept["flaws"]["counts"])
    flaws.examples.update(kept["flaws"]["examples"])
    return Chunk(columns, totals, flaws)


def _joined(chunks: Sequence[Chunk], flaws: Flaws) -> Rerun:
    filled = [chunk for chunk in chunks if chunk.columns]
    columns = {
        n: np.concatenate([c.columns[n] for c in filled]) for n in (filled[0].columns if filled else ())
    }
    totals: dict[str, Totals] = {}
    for chunk in chunks:
        flaws.counts.update(chunk.flaws.counts)
        flaws.examples |= chunk.flaws.examples | flaws.examples
        for name, each in chunk.totals.items():
            _add(totals.setdefault(name, Totals()), each)
    return Rerun(columns, totals, flaws)


def _add(total: Totals, more: Totals) -> None:
    for name in ("reruns", "unmoved", "objective", "logged_objective", "creatives"):
        setattr(total, name, getattr(total, name) + getattr(more, name))
    for name in ("causes", "duals", "logged_duals"):
        sums = getattr(total, name)
        for key, (count, amount) in getattr(more, name).items():
            entry = sums.setdefault(key, [0.0, 0.0])
            entry[0] += count
            entry[1] += amount
    for candidate, causes in more.candidates.items():
        by_cause = total.candidates.setdefault(candidate, {})
        for cause, amount in causes.items():
            by_cause[cause] = by_cause.get(cause, 0.0) + amount
