from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.errors import SnapshotError
from bandit.memory import Memory
from bandit.outcomes import Cells
from bandit.snapshot import Provenance, latest, load, load_memory, prune, save, versions

if TYPE_CHECKING:
    from pathlib import Path

    from bandit.posterior import Posterior
    from bandit.space import CreativeCatalogue


@pytest.fixture
def provenance(catalogue: CreativeCatalogue) -> Provenance:
    return Provenance("", 0, catalogue.version, 5, 1e9, 12, 3, 16, 0.1, 1.0, 0.5, 1.0)


@pytest.fixture
def memory(posterior: Posterior) -> Memory:
    cells = Cells(np.array([[0, 3, 7, 9, 12, 14]], np.int32), np.array([4.0]), np.array([1.0]))
    return Memory(posterior, posterior.tempered(0.5, 0.5, 0.5), cells, np.ones((2, 26)))


def test_snapshot_comes_back_as_it_was(
    tmp_path: Path, posterior: Posterior, memory: Memory, catalogue: CreativeCatalogue, provenance: Provenance
) -> None:
    version = save(tmp_path, posterior, memory, catalogue, provenance)
    found = load(tmp_path, version)
    assert found.version == version
    assert found.provenance == provenance
    assert found.catalogue == catalogue
    for part in ("loc", "scale"):
        for block in ("bias", "linear", "factors"):
            old, new = (getattr(getattr(q, part), block) for q in (posterior, found.posterior))
            assert np.array_equal(old, new)


def test_memory_comes_back_as_it_was(
    tmp_path: Path, posterior: Posterior, memory: Memory, catalogue: CreativeCatalogue, provenance: Provenance
) -> None:
    found = load_memory(tmp_path, save(tmp_path, posterior, memory, catalogue, provenance))
    assert np.array_equal(found.base.scale.factors, memory.base.scale.factors)
    assert np.array_equal(found.prior.loc.factors, memory.prior.loc.factors)
    assert found.sums.tolist() == memory.sums.tolist()
    assert found.cells.rows.tolist() == [[0, 3, 7, 9, 12, 14]]
    assert found.cells.num_impressions.tolist() == [4.0]
    assert found.cells.num_clicks.tolist() == [1.0]


def test_selector_of_a_snapshot_has_its_pool(
    tmp_path: Path, posterior: Posterior, memory: Memory, catalogue: CreativeCatalogue, provenance: Provenance
) -> None:
    version = save(
        tmp_path,
        posterior,
        memory,
        catalogue,
        replace(provenance, linear_temperature=0.0, composition_temperature=0.0),
    )
    selector = load(tmp_path, version).selector()
    assert (selector.version, selector.num_draws, selector.floor) == (version, 16, 0.1)
    # `text` has one slot and one context field; at temperature 0 only the factors make draws disagree.
    assert len(set(selector.propensities("text", {"site": 1}))) == 2


def test_same_content_has_the_same_version(
    tmp_path: Path, posterior: Posterior, memory: Memory, catalogue: CreativeCatalogue, provenance: Provenance
) -> None:
    assert save(tmp_path, posterior, memory, catalogue, provenance) == save(
        tmp_path, posterior, memory, catalogue, provenance
    )
    assert save(tmp_path, posterior, memory, catalogue, provenance) != save(
        tmp_path, posterior, memory, catalogue, replace(provenance, sequence=6)
    )


def test_latest_goes_by_event_number_not_by_file_time(
    tmp_path: Path, posterior: Posterior, memory: Memory, catalogue: CreativeCatalogue, provenance: Provenance
) -> None:
    assert latest(tmp_path / "nowhere") is None
    saved = {
        sequence: save(tmp_path, posterior, memory, catalogue, replace(provenance, sequence=sequence))
        for sequence in (9, 30, 5)
    }
    os.utime(tmp_path / saved[9], (2e9, 2e9))
    assert latest(tmp_path) == saved[30]
    assert versions(tmp_path) == [(5, saved[5]), (9, saved[9]), (30, saved[30])]


def test_later_generation_of_the_same_event_is_newer(
    tmp_path: Path, posterior: Posterior, memory: Memory, catalogue: CreativeCatalogue, provenance: Provenance
) -> None:
    # The clock went backwards in between.
    second = save(tmp_path, posterior, memory, catalogue, replace(provenance, generation=2, created_at=1.0))
    save(tmp_path, posterior, memory, catalogue, replace(provenance, generation=1, created_at=2.0))
    assert latest(tmp_path) == second


def test_prune_keeps_the_newest(
    tmp_path: Path, posterior: Posterior, memory: Memory, catalogue: CreativeCatalogue, provenance: Provenance
) -> None:
    saved = [save(tmp_path, posterior, memory, catalogue, replace(provenance, sequence=n)) for n in range(4)]
    assert prune(tmp_path, 2) == saved[:2]
    assert [version for _, version in versions(tmp_path)] == saved[2:]
    with pytest.raises(SnapshotError, match="keep = 0"):
        prune(tmp_path, 0)


def test_unfinished_snapshot_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".draft-x").mkdir()
    assert versions(tmp_path) == []


def test_missing_snapshot_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"manifest.json.*cannot be read"):
        load(tmp_path, "0123")


@pytest.mark.parametrize("name", ["posterior.npz", "memory.npz", "manifest.json", "catalogue.json"])
def test_damaged_file_is_noticed(
    tmp_path: Path,
    posterior: Posterior,
    memory: Memory,
    catalogue: CreativeCatalogue,
    provenance: Provenance,
    name: str,
) -> None:
    version = save(tmp_path, posterior, memory, catalogue, provenance)
    path = tmp_path / version / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SnapshotError) as raised:
        (load_memory if name == "memory.npz" else load)(tmp_path, version)
    assert raised.value.field == str(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{", "is not JSON"), ("{}", "must have exactly the keys"), ("[]", "must have exactly the keys")],
)
def test_broken_manifest_names_the_file(
    tmp_path: Path,
    posterior: Posterior,
    memory: Memory,
    catalogue: CreativeCatalogue,
    provenance: Provenance,
    text: str,
    problem: str,
) -> None:
    version = save(tmp_path, posterior, memory, catalogue, provenance)
    (tmp_path / version / "manifest.json").write_text(text)
    with pytest.raises(SnapshotError, match=problem) as raised:
        latest(tmp_path)
    assert raised.value.field.endswith("manifest.json")


def test_renamed_snapshot_is_noticed(
    tmp_path: Path, posterior: Posterior, memory: Memory, catalogue: CreativeCatalogue, provenance: Provenance
) -> None:
    version = save(tmp_path, posterior, memory, catalogue, provenance)
    (tmp_path / version).rename(tmp_path / "other")
    with pytest.raises(SnapshotError, match="is of another version"):
        load(tmp_path, "other")


def test_manifest_is_plain_json(
    tmp_path: Path, posterior: Posterior, memory: Memory, catalogue: CreativeCatalogue, provenance: Provenance
) -> None:
    version = save(tmp_path, posterior, memory, catalogue, provenance)
    manifest = json.loads((tmp_path / version / "manifest.json").read_text())
    assert manifest["version"] == version
    assert manifest["sequence"] == 5
