"""Posteriors on disk: one directory a version, complete or absent, ordered by event number."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bandit.errors import SnapshotError
from bandit.fm import Parameters
from bandit.memory import Memory
from bandit.outcomes import Cells
from bandit.posterior import Posterior
from bandit.space import CreativeCatalogue
from bandit.thompson import ThompsonSelector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bandit.features import RowArray
    from bandit.fm import FloatArray

MANIFEST, POSTERIOR, CATALOGUE, MEMORY = "manifest.json", "posterior.npz", "catalogue.json", "memory.npz"
_BLOCKS = ("bias", "linear", "factors")
_CELLS = ("rows", "num_impressions", "num_clicks")


@dataclass(frozen=True)
class Provenance:
    """Where a posterior comes from and how it is to be explored."""

    parent: str
    """Version that it was updated from; empty for a prior."""
    generation: int
    """Updates since the prior; tells snapshots of the same event apart."""
    catalogue_version: str
    sequence: int
    """Number of the last event that it has learned from."""
    created_at: float
    """Seconds since the epoch."""
    num_outcomes: int
    """Outcomes learned since the prior."""
    pool_seed: int
    num_draws: int
    floor: float
    linear_temperature: float
    factors_temperature: float
    composition_temperature: float
    disagreement: float | None = None
    """Mean difference of its click rates from the reference fit's, of the mean rate; None if not compared."""
    epoch: int = 0
    """Counts the learners that took over from one another; snapshots of a later one stand above."""


@dataclass(frozen=True)
class Snapshot:
    """A stored posterior; `version` is the hash of everything else."""

    version: str
    provenance: Provenance
    catalogue: CreativeCatalogue
    posterior: Posterior

    def selector(self) -> ThompsonSelector:
        """Makes the policy that serves this version."""
        origin = self.provenance
        return ThompsonSelector(
            self.catalogue,
            self.posterior.tempered(
                origin.linear_temperature, origin.factors_temperature, origin.composition_temperature
            ),
            self.version,
            num_draws=origin.num_draws,
            pool_seed=origin.pool_seed,
            floor=origin.floor,
        )


def save(
    root: Path, posterior: Posterior, memory: Memory, catalogue: CreativeCatalogue, provenance: Provenance
) -> str:
    """Writes a snapshot and returns its version; readers see all of it or nothing."""
    cells = {name: getattr(memory.cells, name) for name in _CELLS}
    files = {
        POSTERIOR: _packed(_arrays(posterior)),
        MEMORY: _packed(
            _arrays(memory.base) | _arrays(memory.prior, "prior_") | cells | {"sums": memory.sums}
        ),
        CATALOGUE: catalogue.to_json().encode(),
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    version = _version(provenance, hashes)
    target = root / version
    if target.exists():
        return version
    root.mkdir(parents=True, exist_ok=True)
    manifest = {"version": version, "files": hashes, **asdict(provenance)}
    files[MANIFEST] = json.dumps(manifest, indent=2, sort_keys=True).encode()
    # The leading dot hides an unfinished snapshot from `versions`.
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=root))
    for name, content in files.items():
        with (draft / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    draft.chmod(0o755)
    _sync_directory(draft)
    draft.rename(target)
    _sync_directory(root)
    return version


def load(root: Path, version: str) -> Snapshot:
    """Reads what serving needs of a snapshot and checks it against its version; raises SnapshotError."""
    provenance, _ = _manifest(root / version)
    catalogue = CreativeCatalogue.from_json(_checked(root / version, CATALOGUE).decode())
    arrays = _unpacked(root / version, POSTERIOR)
    return Snapshot(version, provenance, catalogue, _posterior(arrays))


def load_memory(root: Path, version: str) -> Memory:
    """Reads what learning goes on from; raises SnapshotError."""
    arrays = _unpacked(root / version, MEMORY)
    if "prior_loc_bias" not in arrays or "sums" not in arrays:
        problem = "is of an older version of this program; start a new directory"
        raise SnapshotError(str(root / version / MEMORY), sorted(arrays), problem)
    rows, num_impressions, num_clicks = (arrays[name] for name in _CELLS)
    cells = Cells(rows.astype(np.int32), num_impressions, num_clicks)
    return Memory(_posterior(arrays, "prior_"), _posterior(arrays), cells, arrays["sums"])


def versions(root: Path) -> list[tuple[int, str]]:
    """Lists (sequence, version) of the snapshots under a root, the one that stands above all last."""
    if not root.is_dir():
        return []
    names = [path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    origins = {}
    for name in names:
        try:
            origins[name] = _manifest(root / name)[0]
        except SnapshotError:
            # Pruned since it was listed, or never a snapshot; a damaged manifest is an error.
            if (root / name / MANIFEST).exists():
                raise
    ages = sorted((each.epoch, each.sequence, each.generation, name) for name, each in origins.items())
    return [(sequence, name) for _, sequence, _, name in ages]


def latest(root: Path) -> str | None:
    """Finds the version of the last learner that has learned most, by event number and never by file time."""
    found = versions(root)
    return found[-1][1] if found else None


def last_epoch(root: Path) -> int:
    """Returns the epoch of the latest snapshot; 0 where there is none."""
    version = latest(root)
    return 0 if version is None else _manifest(root / version)[0].epoch


def last_sequence(root: Path) -> int:
    """Returns the number of the last event that the latest snapshot has learned from; 0 without one."""
    found = versions(root)
    return found[-1][0] if found else 0


def prune(root: Path, keep: int) -> list[str]:
    """Deletes all but the newest `keep` snapshots; returns the versions deleted."""
    if keep < 1:
        raise SnapshotError("keep", keep, "must be at least 1")
    doomed = [version for _, version in versions(root)[:-keep]]
    for version in doomed:
        # Renamed first: a reader never meets half a snapshot under a version's name.
        grave = root / f".deleted-{version}"
        (root / version).rename(grave)
        shutil.rmtree(grave)
    return doomed


def _version(provenance: Provenance, hashes: Mapping[str, str]) -> str:
    content = json.dumps([asdict(provenance), dict(hashes)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _manifest(directory: Path) -> tuple[Provenance, dict[str, str]]:
    """Reads the provenance and the hashes of the files; they must hash to the directory's name."""
    path = directory / MANIFEST
    try:
        data = json.loads(_content(path))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SnapshotError(str(path), str(error), "is not JSON") from error
    expected = {"version", "files", *(item.name for item in fields(Provenance))}
    if not isinstance(data, dict) or set(data) != expected:
        raise SnapshotError(str(path), data, f"must have exactly the keys {sorted(expected)}")
    named, hashes = data.pop("version"), data.pop("files")
    provenance = Provenance(**data)
    if not named == directory.name == _version(provenance, hashes):
        raise SnapshotError(str(path), directory.name, "the manifest is of another version")
    return provenance, hashes


def _checked(directory: Path, name: str) -> bytes:
    content, expected = _content(directory / name), _manifest(directory)[1].get(name)
    if hashlib.sha256(content).hexdigest() != expected:
        raise SnapshotError(
            str(directory / name), hashlib.sha256(content).hexdigest(), f"must hash to {expected}"
        )
    return content


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SnapshotError(str(path), error.strerror, "cannot be read") from error


def _packed(arrays: Mapping[str, FloatArray | RowArray]) -> bytes:
    buffer = BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _arrays(posterior: Posterior, prefix: str = "") -> dict[str, FloatArray | RowArray]:
    parts = {"loc": posterior.loc, "scale": posterior.scale}
    return {
        f"{prefix}{part}_{name}": getattr(values, name) for part, values in parts.items() for name in _BLOCKS
    }


def _unpacked(directory: Path, name: str) -> dict[str, FloatArray]:
    with np.load(BytesIO(_checked(directory, name)), allow_pickle=False) as arrays:
        return dict(arrays)


def _posterior(arrays: Mapping[str, FloatArray], prefix: str = "") -> Posterior:
    loc, scale = (
        Parameters(*(arrays[f"{prefix}{part}_{name}"] for name in _BLOCKS)) for part in ("loc", "scale")
    )
    return Posterior(loc, scale)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
