"""Reads an export as captured requests with what was decided and what came of it; names what is unusable."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from ranker.errors import InvalidInputError, NotFoundError, StateError
from ranker.events.request_codec import decode_request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from ranker.slate import Decision, RankRequest

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]

_BATCH = 2_000
_POSITIONS = (
    "decision_id",
    "candidate_id",
    "attention",
    "propensity",
    "reward",
    "experiment",
    "creative_elements",
    "context",
)
_MIXTURES = (
    "decision_id", "request_hash", "candidate_ids", "ctr", "slates", "probabilities", "exploration_ratio",
    "constraints", "expected_objective",
)  # fmt: skip


class Flaw(StrEnum):
    """Why a decision cannot be rerun or judged."""

    NOT_CAPTURED = "not_captured"  # outside the captured share
    DAMAGED = "damaged"  # its bytes are no request, or newer than this release
    FOREIGN = "foreign"  # the request is not the one that the decision answers
    REWARD_PENDING = "reward_pending"  # rerun, but not judged: an outcome may still come
    REFUSED = "refused"  # the pipeline refuses it under the policy


@dataclass(slots=True)
class Flaws:
    """How many decisions have which flaw, with the first example of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, flaw: Flaw, decision_id: str, problem: str = "") -> None:
        """Counts one."""
        self.counts[flaw.value] += 1
        self.examples.setdefault(flaw.value, f"{decision_id}: {problem}" if problem else decision_id)


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """One captured request, its decision and its rewards; n candidates, k positions."""

    request: RankRequest
    ctr: Floats  # (n,), as scored then
    slates: Ints  # (m, k)
    probabilities: Floats  # (m,)
    exploration_ratio: float
    objective: float
    duals: dict[str, float]  # constraint → dual
    shown: Ints  # (k,), candidates
    attention: Floats  # (k,)
    propensities: Floats  # (k,)
    rewards: Floats  # (k,), NaN: pending
    creatives: tuple[dict[str, str] | None, ...]  # (k,), slot → element
    context: dict[str, int]
    experiment: str  # whose draws it was answered with; "": of none


def read_captured(log: Path, flaws: Flaws) -> Iterator[Captured]:
    """Gives every usable capture of an export, in its order; the three tables are read side by side."""
    check_export(log)
    requests = _rows(log, "requests", ("decision_id", "record"))
    positions = groupby(_rows(log, "decisions", _POSITIONS), key=lambda row: row["decision_id"])
    capture = next(requests, None)
    for mixture in _rows(log, "mixtures", _MIXTURES):
        decision_id = mixture["decision_id"]
        owner, rows = next(positions, (None, iter(())))
        if owner != decision_id:
            raise InvalidInputError("decisions.decision_id", owner, f"mixtures go on with {decision_id}")
        if capture is None or capture["decision_id"] != decision_id:
            flaws.add(Flaw.NOT_CAPTURED, decision_id)
            continue
        record, capture = capture["record"], next(requests, None)
        found = _captured(record, mixture, list(rows), flaws)
        if found is not None:
            yield found
    if capture is not None:
        raise InvalidInputError(
            "requests.decision_id", capture["decision_id"], "has no decision, or is out of the log's order"
        )


def check_export(log: Path) -> None:
    """Raises NotFoundError where a log is no export with captured requests."""
    for name in ("decisions", "mixtures", "requests"):
        if not (log / f"{name}.parquet").is_file() and not (log / name).is_dir():
            raise NotFoundError(
                "log",
                str(log / name),
                "no such table: is this an `adranker export`? To weigh the rows of another log, "
                "give a --policy that says column, chances or frequencies_of",
            )


def captured_of(request: RankRequest, decision: Decision, rewards: Floats) -> Captured:
    """Returns the capture of a decision at hand, without a log in between."""
    place = {name: i for i, name in enumerate(request.candidates.ids)}
    return Captured(
        request=request,
        ctr=np.array(decision.ctr),
        slates=np.array(decision.slates),
        probabilities=np.array(decision.probabilities),
        exploration_ratio=decision.exploration_ratio,
        objective=decision.expected_objective,
        duals={c.name: c.dual for c in decision.constraints},
        shown=np.array([place[ad.candidate_id] for ad in decision.shown]),
        attention=np.array([ad.attention for ad in decision.shown]),
        propensities=np.array([ad.propensity for ad in decision.shown]),
        rewards=rewards,
        creatives=tuple(None if ad.creative is None else ad.creative.elements for ad in decision.shown),
        context=decision.context,
        experiment=decision.experiment,
    )


def num_captured(log: Path) -> int:
    """Returns how many captures a log holds."""
    return sum(int(parquet.ParquetFile(file).metadata.num_rows) for file in _files(log, "requests"))


def _captured(
    record: bytes, mixture: dict[str, Any], rows: list[dict[str, Any]], flaws: Flaws
) -> Captured | None:
    decision_id = mixture["decision_id"]
    try:
        request = decode_request(record)
    except StateError as error:
        flaws.add(Flaw.DAMAGED, decision_id, str(error))
        return None
    if request.content_hash != mixture["request_hash"]:
        flaws.add(Flaw.FOREIGN, decision_id, f"content {request.content_hash}, not {mixture['request_hash']}")
        return None
    place = {name: i for i, name in enumerate(request.candidates.ids)}
    strange = [row["candidate_id"] for row in rows if row["candidate_id"] not in place]
    if strange or list(request.candidates.ids) != mixture["candidate_ids"]:
        flaws.add(Flaw.FOREIGN, decision_id, f"candidates differ: {strange[:1]}")
        return None
    rewards = [np.nan if row["reward"] is None else row["reward"] for row in rows]
    return Captured(
        request=request,
        ctr=np.array(mixture["ctr"], np.float64),
        slates=np.array(mixture["slates"], np.int64),
        probabilities=np.array(mixture["probabilities"], np.float64),
        exploration_ratio=float(mixture["exploration_ratio"]),
        objective=float(mixture["expected_objective"]),
        duals={c["name"]: float(c["dual"]) for c in mixture["constraints"]},
        shown=np.array([place[row["candidate_id"]] for row in rows]),
        attention=np.array([row["attention"] for row in rows], np.float64),
        propensities=np.array([row["propensity"] for row in rows], np.float64),
        rewards=np.array(rewards, np.float64),
        creatives=tuple(_elements(row["creative_elements"]) for row in rows),
        context=dict(rows[0]["context"]) if rows else {},
        experiment=rows[0].get("experiment", "") if rows else "",  # not in exports of the first release
    )


def _elements(cells: list[tuple[str, str]] | None) -> dict[str, str] | None:
    return None if cells is None else dict(cells)


def _rows(log: Path, name: str, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for file in _files(log, name):
        try:
            for batch in parquet.ParquetFile(file).iter_batches(_BATCH, columns=list(columns)):
                yield from batch.to_pylist()
        except pa.ArrowInvalid as error:
            raise InvalidInputError("log", str(file), f"cannot be read as Parquet: {error}") from None


def _files(log: Path, name: str) -> list[Path]:
    single, folder = log / f"{name}.parquet", log / name
    return [single] if single.is_file() else sorted(folder.glob("**/*.parquet"))
