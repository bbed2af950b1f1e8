"""Runs a scenario: every policy in a world of its own, then what its limits and attention are worth."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.code_version import code_version
from ranker.errors import InvalidInputError, StateError
from ranker.rerun.frontier import NUM_DRAWS, SHARES, Frontier, Sensitivity, frontier, sensitivity
from ranker.rerun.predictions import NUM_BINS, Calibration, Curves, calibration, curves
from ranker.simulation.click_model import ShrunkRates
from ranker.simulation.loop import Run, simulate
from ranker.simulation.parameters import version
from ranker.simulation.policy import PipelinePolicy
from ranker.simulation.recorder import LogRecorder
from ranker.simulation.results import (
    PolicyResult,
    SegmentChange,
    by_day,
    conversions_by_age,
    policy_result,
    segment_changes,
)
from ranker.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from ranker.simulation.parameters import WorldParameters
    from ranker.simulation.rows import Rows
    from ranker.simulation.scenario import Scenario

    Floats: TypeAlias = NDArray[np.float64]
    Progress = Callable[[str, int, int], None]

# Requests that are solved again for the frontier and the sensitivity.
NUM_PROBED = 100
AGES_SECONDS = 60.0 * np.array([1, 10, 60, 240, 1440, 4320.0])


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Everything that the report shows."""

    scenario: Scenario
    parameters_version: str
    sources: dict[str, str]  # part of the world → the log that it was fitted from
    created_at: datetime
    seconds: float
    policies: tuple[PolicyResult, ...]
    segments: dict[str, tuple[SegmentChange, ...]]  # policy → changes, of all policies but the first
    value_by_day: dict[str, Floats]
    promised_by_day: Floats  # of the first policy: observed over predicted clicks
    calibration: Calibration
    curves: Curves
    known_conversions: Floats  # share of the conversions known after each of AGES_SECONDS
    frontiers: tuple[Frontier, ...]
    sensitivity: Sensitivity
    num_probed: int  # requests that were solved again for both


def run_study(
    scenario: Scenario, parameters: WorldParameters, out: Path, progress: Progress, *, log: bool = False
) -> Study:
    """Runs a scenario below `out`, going on where an interrupted run left it.

    With `log`, what the first policy did is written to `out`/log as the export of a real server.
    """
    started = time.perf_counter()
    _claim(out, scenario, parameters, log=log)
    rows: dict[str, Rows] = {}
    runs = []
    for number, policy in enumerate(scenario.policies):
        world = World.under(policy, scenario, parameters)
        shape = (len(world.segments), scenario.market.ads)
        recorder = LogRecorder(out / "log") if log and number == 0 else None
        if recorder is not None:
            recorder.start(len(world.segments))
        run = Run(
            world,
            PipelinePolicy(world, policy),
            ShrunkRates.of(world.attention, world.scenario.learning, shape),
            recorder,
        )
        rows[policy.name] = simulate(
            run,
            out / f"policy-{number:02d}",
            lambda done, total, name=policy.name: progress(f"live: {name}", done, total),  # type: ignore[misc]
        )
        runs.append(run)
    _check_clicks(next(iter(rows.values())))
    probed = _probed(runs[0], parameters, progress)
    return _study(scenario, parameters, rows, probed, time.perf_counter() - started)


def _check_clicks(rows: Rows) -> None:
    """Refuses a run from which no calibration and no curve can be drawn."""
    clicks, shown = int(rows.clicked.sum()), rows.clicked.size
    if shown < NUM_BINS or not 0 < clicks < shown:
        raise InvalidInputError(
            "traffic.sessions",
            len(rows),
            f"requests gave {clicks} clicks on {shown} ads: too little to judge predictions; "
            "simulate more sessions or change behaviour.click_logit",
        )


def _claim(out: Path, scenario: Scenario, parameters: WorldParameters, *, log: bool) -> None:
    """Marks the folder with what is run there, by content."""
    described = [asdict(scenario), asdict(parameters), code_version(), log]
    name = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]
    out.mkdir(parents=True, exist_ok=True)
    owner = out / "scenario"
    if owner.exists() and owner.read_text() != name:
        raise StateError(
            "out",
            str(out),
            "holds checkpoints of another scenario, world, code or --log: choose another --out",
        )
    owner.write_text(name)


def _probed(
    run: Run, parameters: WorldParameters, progress: Progress
) -> tuple[tuple[Frontier, ...], Sensitivity, int]:
    """Solves requests of the last day again, with what the first policy has learned by then."""
    world = run.world
    seen = world.requests(world.scenario.traffic.num_batches - 1, world.start())
    ctr = run.model.predict(seen.visits.segment, seen.offers.ads)
    policy = PipelinePolicy(world, world.scenario.policies[0])
    asked = policy.requests(seen, ctr)[:NUM_PROBED]
    names = [c.name for c in policy.constraints]
    total = len(names) * (len(SHARES) + 1) + NUM_DRAWS
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress("limits and attention", done, total)

    frontiers = tuple(frontier(name, asked, policy.snapshot, step) for name in names)
    rng = world.streams.generator("sensitivity")
    fit = parameters.attention
    curve = tuple(np.array(values) for values in (fit.curve, fit.low, fit.high))
    found = sensitivity(curve, asked, policy.snapshot, rng, step)
    progress("limits and attention", total, total)
    return frontiers, found, len(asked)


def _study(
    scenario: Scenario,
    parameters: WorldParameters,
    rows: dict[str, Rows],
    probed: tuple[tuple[Frontier, ...], Sensitivity, int],
    seconds: float,
) -> Study:
    first_name, first = next(iter(rows.items()))
    believed = first.predicted * probed[1].curve
    clicked = first.clicked.astype(np.float64)
    return Study(
        scenario=scenario,
        parameters_version=version(parameters),
        sources=parameters.sources,
        created_at=datetime.now(UTC),
        seconds=seconds,
        policies=tuple(
            policy_result(name, each, None if name == first_name else first, scenario)
            for name, each in rows.items()
        ),
        segments={
            name: segment_changes(each, first, parameters.segments.names, scenario.traffic.max_depth)
            for name, each in rows.items()
            if name != first_name
        },
        value_by_day={name: by_day(each, each.value) for name, each in rows.items()},
        promised_by_day=by_day(first, clicked.sum(axis=1)) / by_day(first, believed.sum(axis=1)),
        calibration=calibration(believed.ravel(), clicked.ravel()),
        curves=curves(believed.ravel(), clicked.ravel()),
        known_conversions=conversions_by_age(first, AGES_SECONDS)[0],
        frontiers=probed[0],
        sensitivity=probed[1],
        num_probed=probed[2],
    )
