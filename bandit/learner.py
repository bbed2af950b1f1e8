"""The online learner: batches of outcomes in, posterior snapshots out."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING

from bandit import snapshot
from bandit.change import ChangeSettings
from bandit.errors import CreativeError, SnapshotError
from bandit.features import FeatureIndex
from bandit.hierarchy import learned_prior
from bandit.memory import Memory
from bandit.outcomes import cells_of
from bandit.posterior import Posterior, PriorScales
from bandit.refit_check import disagreement
from bandit.snapshot import Provenance
from bandit.streaming import absorb
from bandit.transfer import transferred

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bandit.memory import Refit
    from bandit.outcomes import CreativeOutcome, Pending
    from bandit.snapshot import Snapshot
    from bandit.space import CreativeCatalogue

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LearnerSettings:
    """How a catalogue is learned and explored."""

    num_factors: int = 8
    """K, the rank of the interactions."""
    scales: PriorScales = field(default_factory=PriorScales)
    """Standard deviations before any outcome."""
    power: float = 1.0
    """Share of the old evidence that survives a batch; 1 forgets nothing."""
    num_draws: int = 128
    """M, frozen draws a version."""
    floor: float = 0.01
    """Probability of a uniformly random creative."""
    linear_temperature: float = 0.5
    """Factor on the uncertainty of linear weights when the pool is drawn."""
    factors_temperature: float = 0.2
    """The same for the factors."""
    composition_temperature: float = 1.0
    """The same for what a composition has beyond its elements."""
    seed: int = 0
    """Makes the prior's factors and, with the event number, each version's pool."""
    capacity: int = 20_000
    """Distinct cells kept as counts before they are folded into a belief."""
    keep: int = 10
    """Snapshots kept."""
    learns_prior: bool = True
    """Whether the prior's spreads and means are learned along, from `scales` on."""
    check_every: int = 0
    """Versions between two comparisons with the reference fit; 0 never compares."""
    check_tolerance: float = 0.05
    """Mean difference of the click rates, as a share of the mean rate, that is worth a warning."""
    change: ChangeSettings = field(default_factory=ChangeSettings)
    """When a change of an element's effect is noticed, and what is forgotten then."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("num_factors", 1, inf),
            ("num_draws", 1, inf),
            ("floor", 0.0, 1.0),
            ("linear_temperature", 0.0, inf),
            ("factors_temperature", 0.0, inf),
            ("composition_temperature", 0.0, inf),
            ("capacity", 0, inf),
            ("keep", 1, inf),
            ("check_every", 0, inf),
            ("check_tolerance", 0.0, inf),
        ):
            if not low <= getattr(self, name) <= high:
                raise CreativeError(name, getattr(self, name), f"must be from {low} to {high}")
        if not 0.0 < self.power <= 1.0:
            raise CreativeError("power", self.power, "must be in (0, 1]")


class CreativeLearner:
    """Owns the posteriors of one catalogue under a directory; one process at a time."""

    def __init__(
        self,
        catalogue: CreativeCatalogue,
        root: Path,
        settings: LearnerSettings,
        refit: Refit = absorb,
        reference: Refit | None = None,
    ) -> None:
        if settings.check_every and reference is None:
            raise CreativeError("check_every", settings.check_every, "needs a reference fit")
        self.catalogue = catalogue
        self.root = root
        self.settings = settings
        self._refit, self._reference = refit, reference
        self._index = FeatureIndex(catalogue)
        self._groups = self._index.groups()
        self._origin = Posterior.prior(catalogue, settings.num_factors, settings.scales, settings.seed)
        version = snapshot.latest(root)
        self._current = None if version is None else self._loaded(version)
        self._epoch = 0 if self._current is None else self._current.provenance.epoch

    def take_over(self, epoch: int, created_at: float) -> Snapshot:
        """Publishes the latest posterior once more, under a higher epoch: it stands above all that earlier
        learners may still write. Raises SnapshotError where a later learner has done so already.
        """
        if epoch <= self._epoch:
            raise SnapshotError("epoch", epoch, f"the latest posterior is of epoch {self._epoch}")
        self._epoch = epoch
        current = self.start(created_at)
        if current.provenance.epoch < epoch:
            memory = snapshot.load_memory(self.root, current.version)
            provenance = self._provenance(current, current.provenance.sequence, created_at, 0)
            current = self._current = self._published(current.posterior, memory, provenance)
        return current

    def start(self, created_at: float) -> Snapshot:
        """Makes sure that there is a posterior for this catalogue and returns it.

        The first one is the prior, as event number 0. A posterior of another catalogue is carried over: known
        elements keep their evidence, new ones start where their siblings' features place them.
        """
        current = self._current
        if current is None:
            memory = Memory.of(self._origin, self._index.num_fields)
            current = self._published(self._origin, memory, self._provenance(None, 0, created_at, 0))
        elif current.provenance.catalogue_version != self.catalogue.version:
            memory = snapshot.load_memory(self.root, current.version)
            memory = transferred(memory, current.catalogue, self.catalogue, self._origin, self._refit)
            memory = self._with_learned_prior(memory, memory.posterior(memory.base, self._refit))
            posterior = memory.posterior(memory.base, self._refit)
            provenance = self._provenance(current, current.provenance.sequence, created_at, 0)
            current = self._published(posterior, memory, provenance)
        self._current = current
        return current

    def knows(self, outcome: CreativeOutcome) -> bool:
        """Tells whether the catalogue still has what was shown: spaces and slots come and go."""
        try:
            self._index.rows(outcome.space_id, outcome.context, outcome.elements)
        except CreativeError:
            return False
        return True

    def learn(
        self,
        outcomes: Sequence[CreativeOutcome],
        sequence: int,
        created_at: float,
        pending: Pending | None = None,
    ) -> str:
        """Learns a batch, publishes the posterior and returns its version.

        `pending` impressions, whose clicks may still come, count for this posterior alone: their outcomes are
        learned when they are known.

        A batch whose last event `sequence` is not beyond the current posterior's has been learned already:
        nothing changes, so a batch may be sent again after a crash.

        Raises:
            CreativeError: an outcome names what the catalogue does not have; nothing was learned.
        """
        current = self.start(created_at)
        if sequence <= current.provenance.sequence:
            return current.version
        cells = cells_of(outcomes, self._index)
        memory = snapshot.load_memory(self.root, current.version).faded(self.settings.power)
        memory, changed = memory.checked(current.posterior, cells, self.settings.change)
        memory = memory.joined(cells)
        waiting = memory if pending is None else memory.joined(pending.cells(self._index))
        posterior = waiting.posterior(current.posterior, self._refit)
        provenance = self._provenance(current, sequence, created_at, len(outcomes))
        provenance = replace(
            provenance, disagreement=self._compared(waiting, posterior, provenance.generation)
        )
        if len(memory.cells.rows) > self.settings.capacity and pending is not None:
            # What is only pending must not be folded into the belief for good.
            memory = memory.folded(memory.posterior(posterior, self._refit), self.settings.capacity)
        memory = self._with_learned_prior(memory.folded(posterior, self.settings.capacity), posterior)
        self._current = self._published(posterior, memory, provenance)
        if changed is not None:
            slot, element = self._index.row_names()[changed]
            logger.warning("%s %r has changed: what was known of it is forgotten", slot, element)
        return self._current.version

    def _with_learned_prior(self, memory: Memory, posterior: Posterior) -> Memory:
        """Learns the prior from a posterior that was fitted under it; the next fit starts from there."""
        if not self.settings.learns_prior:
            return memory
        return memory.under(learned_prior(self._groups, self._origin, memory.prior, posterior))

    def _compared(self, memory: Memory, posterior: Posterior, generation: int) -> float | None:
        """Fits the evidence by the reference too, when it is time, and warns where the fits disagree."""
        settings = self.settings
        if self._reference is None or not settings.check_every or generation % settings.check_every:
            return None
        found = disagreement(posterior, memory.posterior(posterior, self._reference), memory.cells)
        if found > settings.check_tolerance:
            logger.warning(
                "the posterior's click rates are %.1f %% from the reference fit's, more than %.1f %%",
                100.0 * found,
                100.0 * settings.check_tolerance,
            )
        return found

    def _provenance(
        self, parent: Snapshot | None, sequence: int, created_at: float, num_new: int
    ) -> Provenance:
        settings = self.settings
        generation = 0 if parent is None else parent.provenance.generation + 1
        return Provenance(
            parent="" if parent is None else parent.version,
            generation=generation,
            catalogue_version=self.catalogue.version,
            sequence=sequence,
            created_at=created_at,
            num_outcomes=num_new + (0 if parent is None else parent.provenance.num_outcomes),
            pool_seed=settings.seed + generation,
            num_draws=settings.num_draws,
            floor=settings.floor,
            linear_temperature=settings.linear_temperature,
            factors_temperature=settings.factors_temperature,
            composition_temperature=settings.composition_temperature,
            epoch=self._epoch,
        )

    def _published(self, posterior: Posterior, memory: Memory, provenance: Provenance) -> Snapshot:
        version = snapshot.save(self.root, posterior, memory, self.catalogue, provenance)
        snapshot.prune(self.root, self.settings.keep)
        return self._loaded(version)

    def _loaded(self, version: str) -> Snapshot:
        found = snapshot.load(self.root, version)
        num_factors = found.posterior.loc.factors.shape[-1]
        if num_factors != self.settings.num_factors:
            problem = f"the latest posterior has {num_factors}; start a new directory to change it"
            raise SnapshotError("num_factors", self.settings.num_factors, problem)
        found_rows, num_rows = found.posterior.loc.linear.size, FeatureIndex(found.catalogue).num_rows
        if found_rows != num_rows:
            problem = f"its catalogue has {num_rows}; start a new directory"
            raise SnapshotError(f"{version}.posterior.linear", found_rows, problem)
        return found
