"""What must hold after kills: nothing lost, nothing twice, the posterior of an undisturbed run."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as parquet

from bandit import snapshot
from ranker.creative_learning import CreativeRewards, creative_learner
from ranker.events.export import export_parquet
from ranker.events.reader import EventReader
from ranker.home import Home

if TYPE_CHECKING:
    from pathlib import Path

    from bandit.posterior import Posterior
    from benchmarks.kills_processes import Acknowledged
    from ranker.events.records import JoinedReward


class Lineage:
    """Notes every posterior that is published, before the learner deletes it."""

    def __init__(self, posteriors: Path) -> None:
        self._posteriors = posteriors
        self._manifests: dict[str, dict[str, object]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Stops looking."""
        self._stop.set()
        self._thread.join()
        self.look()

    def sequences(self, version: str) -> list[int]:
        """Returns the events at which the version and its forebears ended, from the prior on."""
        found: list[int] = []
        while version:
            manifest = self._manifests[version]
            found.append(int(str(manifest["sequence"])))
            version = str(manifest["parent"])
        return found[::-1]

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.look()

    def look(self) -> None:
        """Notes what stands there now."""
        for path in self._posteriors.glob("*/manifest.json"):
            if path.parent.name not in self._manifests and not path.parent.name.startswith("."):
                try:
                    self._manifests[path.parent.name] = json.loads(path.read_bytes())
                except FileNotFoundError:  # deleted just now; it had been seen, or the lineage tells
                    continue


@dataclass(frozen=True)
class Verdict:
    """Counts of what must not be, and what it was found in."""

    num_lost_decisions: int
    num_changed_answers: int
    num_lost_outcomes: int
    num_stored_twice: int
    num_miscounted: int
    num_rewards: int
    num_expired: int
    num_unlearned: int
    num_versions: int
    num_epochs: int
    posterior_max_difference: float
    posterior_max_difference_in_one_batch: float

    @property
    def holds(self) -> bool:
        """Whether nothing is lost, counted twice or learned otherwise. Float order: 1e-9."""
        faults = (
            self.num_lost_decisions,
            self.num_changed_answers,
            self.num_lost_outcomes,
            self.num_stored_twice,
            self.num_miscounted,
            self.num_unlearned,
        )
        return not any(faults) and self.posterior_max_difference <= 1e-9


def judged(home: Home, seen: Acknowledged, lineage: Lineage, scratch: Path) -> Verdict:
    """Reads the store and the posteriors after the last stop."""
    with EventReader(home.event_location) as reader:
        rewards = reader.joined_after(0, 10**9)
        kept = {name: reader.find_decision(name) for name in seen.answers}
        counts = reader.counts()
    export_parquet(home.event_location, scratch / "export")
    stored = Counter(parquet.read_table(scratch / "export" / "outcomes")["event_id"].to_pylist())
    positions = Counter((each.decision.decision_id, each.position) for each in rewards)
    num_expired = sum(each.expired for each in rewards)
    num_decisions = parquet.read_table(scratch / "export" / "mixtures", columns=["decision_id"]).num_rows
    lost = [
        name
        for name, decision in kept.items()
        if decision is None
        or [ad.candidate_id for ad in decision.shown] != [ad.candidate_id for ad in seen.answers[name].slate]
    ]
    version = snapshot.latest(home.posteriors) or ""
    found = snapshot.load(home.posteriors, version)
    ends = lineage.sequences(version)
    same, whole = (
        undisturbed(home, rewards, batches, scratch / name)
        for name, batches in (("same", ends), ("whole", [rewards[-1].sequence]))
    )
    return Verdict(
        num_lost_decisions=len(lost),
        num_changed_answers=len(seen.changed_answers),
        num_lost_outcomes=len(set(seen.outcomes) - set(stored)),
        num_stored_twice=sum(n - 1 for n in [*stored.values(), *positions.values()]),
        num_miscounted=abs(counts.decisions - num_decisions)
        + abs(counts.joined - (len(rewards) - num_expired))
        + abs(counts.expired - num_expired)
        + abs(counts.outcomes - len(stored)),
        num_rewards=len(rewards),
        num_expired=num_expired,
        num_unlearned=abs(num_with_creative(rewards) - found.provenance.num_outcomes),
        num_versions=len(ends),
        num_epochs=found.provenance.epoch,
        posterior_max_difference=difference(found.posterior, same),
        posterior_max_difference_in_one_batch=difference(found.posterior, whole),
    )


def num_with_creative(rewards: list[JoinedReward]) -> int:
    return sum(each.decision.shown[each.position].creative is not None for each in rewards)


def undisturbed(home: Home, rewards: list[JoinedReward], ends: list[int], root: Path) -> Posterior:
    """Learns the same events in the same batches, in one process that nobody kills."""
    fresh = Home(root)
    fresh.catalogue.parent.mkdir(parents=True)
    fresh.catalogue.write_text(home.catalogue.read_text())
    learner = CreativeRewards(creative_learner(fresh), time.time)
    for end in ends:
        batch = [each for each in rewards if learner.sequence < each.sequence <= end]
        if batch:
            learner.learn(batch)
    return snapshot.load(fresh.posteriors, snapshot.latest(fresh.posteriors) or "").posterior


def difference(one: Posterior, other: Posterior) -> float:
    """Returns the largest difference of any mean or standard deviation."""
    return max(
        float(np.max(np.abs(getattr(getattr(one, part), block) - getattr(getattr(other, part), block))))
        for part in ("loc", "scale")
        for block in ("bias", "linear", "factors")
    )
