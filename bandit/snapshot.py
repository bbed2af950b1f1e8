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
from zipfile import BadZipFile

import numpy as np

from bandit.errors import SnapshotError
from bandit.fm import Parameters
from bandit.posterior import Posterior
from bandit.space import CreativeCatalogue
from bandit.thompson import ThompsonSelector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bandit.fm import FloatArray

MANIFEST, POSTERIOR, CATALOGUE = "manifest.json", "posterior.npz", "catalogue.json"
_BLOCKS = ("bias", "linear", "factors")


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
            self.posterior.tempered(origin.linear_temperature, origin.factors_temperature),
            self.version,
            num_draws=origin.num_draws,
            pool_seed=origin.pool_seed,
            floor=origin.floor,
        )


def save(root: Path, posterior: Posterior, catalogue: CreativeCatalogue, provenance: Provenance) -> str:
    """Writes a snapshot and returns its version; readers see all of it or nothing."""
    files = {POSTERIOR: _packed(posterior), CATALOGUE: catalogue.to_json().encode()}
    version = _version(provenance, files)
    target = root / version
    if target.exists():
        return version
    root.mkdir(parents=True, exist_ok=True)
    manifest = {"version": version, **asdict(provenance)}
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
    """Reads a snapshot and checks it against its version; raises SnapshotError."""
    directory = root / version
    files = {name: _content(directory / name) for name in (POSTERIOR, CATALOGUE)}
    provenance = _provenance(directory)
    if _version(provenance, files) != version:
        raise SnapshotError(
            str(directory), _version(provenance, files), f"content does not hash to {version}"
        )
    catalogue = CreativeCatalogue.from_json(files[CATALOGUE].decode())
    return Snapshot(version, provenance, catalogue, _unpacked(directory / POSTERIOR, files[POSTERIOR]))


def versions(root: Path) -> list[tuple[int, str]]:
    """Lists (sequence, version) of the snapshots under a root, oldest first."""
    if not root.is_dir():
        return []
    names = [path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    origins = {name: _provenance(root / name) for name in names}
    ages = sorted((origin.sequence, origin.generation, name) for name, origin in origins.items())
    return [(sequence, name) for sequence, _, name in ages]


def latest(root: Path) -> str | None:
    """Finds the version that has learned most, by event number and never by file time."""
    found = versions(root)
    return found[-1][1] if found else None


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


def _version(provenance: Provenance, files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(json.dumps(asdict(provenance), sort_keys=True).encode())
    for name in (POSTERIOR, CATALOGUE):
        digest.update(hashlib.sha256(files[name]).digest())
    return digest.hexdigest()[:16]


def _provenance(directory: Path) -> Provenance:
    path = directory / MANIFEST
    try:
        data = json.loads(_content(path))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SnapshotError(str(path), str(error), "is not JSON") from error
    expected = {"version", *(item.name for item in fields(Provenance))}
    if not isinstance(data, dict) or set(data) != expected:
        raise SnapshotError(str(path), data, f"must have exactly the keys {sorted(expected)}")
    if data.pop("version") != directory.name:
        raise SnapshotError(str(path), directory.name, "the manifest names another version")
    return Provenance(**data)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SnapshotError(str(path), error.strerror, "cannot be read") from error


def _packed(posterior: Posterior) -> bytes:
    arrays = {
        f"{part}_{name}": _block(posterior, part, name) for part in ("loc", "scale") for name in _BLOCKS
    }
    buffer = BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _block(posterior: Posterior, part: str, name: str) -> FloatArray:
    block: FloatArray = getattr(getattr(posterior, part), name)
    return block


def _unpacked(path: Path, content: bytes) -> Posterior:
    try:
        with np.load(BytesIO(content), allow_pickle=False) as arrays:
            loc, scale = (
                Parameters(*(arrays[f"{part}_{name}"] for name in _BLOCKS)) for part in ("loc", "scale")
            )
    except (BadZipFile, KeyError, ValueError) as error:
        raise SnapshotError(str(path), str(error), "is not a posterior") from error
    return Posterior(loc, scale)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
