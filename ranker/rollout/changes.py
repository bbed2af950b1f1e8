"""What may be done to a rollout. Each function returns the next one and leaves the file to its caller."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ranker.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranker.rollout.plan import Experiment, Rollout, Shadow

MAX_HISTORY = 20


def pin(rollout: Rollout, version: str, ages: Sequence[str]) -> Rollout:
    """Lets one version answer everything. `ages` are the schema's versions, oldest first."""
    before = served(rollout, ages)
    history = rollout.history if before == version else (*rollout.history, before)
    return replace(rollout, pinned=version, experiment=None, history=history[-MAX_HISTORY:])


def follow_newest(rollout: Rollout) -> Rollout:
    """Lets each new model answer everything as it comes."""
    return replace(rollout, pinned="", experiment=None)


def start(rollout: Rollout, experiment: Experiment, ages: Sequence[str]) -> Rollout:
    """Starts or changes an experiment beside what is served."""
    running = rollout.experiment
    if running is not None and running.name != experiment.name:
        raise StateError("experiment", running.name, "is running: end it by rollback or promote first")
    return replace(rollout, pinned=served(rollout, ages), experiment=experiment, ended="")


def promote(rollout: Rollout, arm_name: str, ages: Sequence[str]) -> Rollout:
    """Ends the experiment: the arm's model answers everything."""
    arms = {} if rollout.experiment is None else {arm.name: arm for arm in rollout.experiment.arms}
    if arm_name not in arms:
        raise StateError("arm", arm_name, f"no such arm is running: there are {sorted(arms)}")
    return replace(pin(rollout, arms[arm_name].version, ages), ended=f"{arm_name} was promoted")


def end(rollout: Rollout, name: str, reason: str) -> Rollout:
    """Ends the experiment of that name, where it is running: the control answers everything."""
    if rollout.experiment is None or rollout.experiment.name != name:
        return rollout
    return replace(rollout, experiment=None, ended=reason)


def roll_back(rollout: Rollout, ages: Sequence[str]) -> Rollout:
    """Ends a running experiment; without one, pins what was served before, and again what was before that."""
    if rollout.experiment is not None:
        return end(rollout, rollout.experiment.name, "rolled back by command")
    if rollout.history:
        return replace(rollout, pinned=rollout.history[-1], history=rollout.history[:-1])
    now = list(ages).index(served(rollout, ages))
    if now == 0:
        raise StateError("rollback", ages[0], "is the oldest model: there is none before it")
    return replace(rollout, pinned=ages[now - 1])


def shadow(rollout: Rollout, chosen: Shadow | None) -> Rollout:
    """Starts or ends a shadow."""
    return replace(rollout, shadow=chosen)


def served(rollout: Rollout, ages: Sequence[str]) -> str:
    """Returns the version that answers units in no arm."""
    return rollout.pinned or ages[-1]
