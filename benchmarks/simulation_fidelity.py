"""Which parts of the simulated world can be told from real logs that its fit has not seen?

    python -m benchmarks.simulation_fidelity --data FOLDER [--plot FILE.svg] [--seed 0]

Two-sample tests of marginals, pairs and whole rows (`benchmarks.two_sample`), all p-values adjusted by Holm
and read at 5 %. Beside each stands the distance between the rows that the fit has seen and the unseen ones:
what is below it is as near as the log is to itself. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from matplotlib import rc_context
from rich.console import Console
from rich.table import Table

from benchmarks.attention import machine
from benchmarks.simulation_data import read_delays, read_histograms, read_pay_prices, read_test_prices
from benchmarks.simulation_fit import DELAY_TRAIN
from benchmarks.simulation_samples import drift, readers, visitors
from benchmarks.two_sample import classifier, energy, kolmogorov_smirnov, total_variation
from ranker.replay.multiple import holm
from ranker.report.drawing import AMBER, MUTED, TEAL, new_figure, style, tidy
from ranker.simulation.conversions import delay_seconds
from ranker.simulation.parameters import HOURS, read_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.simulation_samples import Samples
    from benchmarks.two_sample import Answer
    from ranker.simulation.parameters import WorldParameters

    Test: TypeAlias = Callable[[Any, Any], Answer]

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """One question about the world, answered on unseen rows."""

    part: str
    what: str
    method: str
    rows: int  # of the log, unseen
    distance: float
    p_value: float
    of_the_log: float  # distance between seen and unseen rows
    told_apart: bool = False  # after Holm's adjustment


def compared(part: str, what: str, test: Test, columns: tuple[Any, Any, Any]) -> Comparison:
    """Holds (unseen, simulated, seen) rows against each other."""
    unseen, simulated, seen = columns
    found, floor = test(unseen, simulated), test(unseen, seen)
    return Comparison(part, what, found.method, len(unseen), found.distance, found.p_value, floor.distance)


def all_comparisons(data: Path, parameters: WorldParameters, seed: int) -> list[Comparison]:
    """Returns every comparison with its verdict."""
    rng = np.random.default_rng(seed)
    found = [
        *_visitors(visitors(data, parameters, seed), rng),
        compared("drift", "daily steps", kolmogorov_smirnov, _column(drift(data, parameters, seed), "step")),
    ]
    for name, samples in readers(data, parameters, seed).items():
        found += _clicks(f"{name} users", *_column(samples, "clicks"), rng)
    found += _delays(data, parameters, rng)
    found += _prices(data, parameters, rng)
    adjusted = holm(np.array([each.p_value for each in found]))
    return [
        Comparison(**(asdict(each) | {"told_apart": bool(p < LEVEL)}))
        for each, p in zip(found, adjusted, strict=True)
    ]


def _column(samples: Samples, name: str) -> tuple[Any, Any, Any]:
    return samples.unseen[name], samples.simulated[name], samples.seen[name]


def _visitors(samples: Samples, rng: np.random.Generator) -> Iterator[Comparison]:
    for name in ("segment", "hour", "click"):
        yield compared("visitors", name, total_variation, _column(samples, name))
    for one, other, size in (("segment", "hour", HOURS), ("segment", "click", 2), ("hour", "click", 2)):
        columns = tuple(
            size * first + second
            for first, second in zip(_column(samples, one), _column(samples, other), strict=True)
        )
        yield compared("visitors", f"{one} and {other}", total_variation, columns)
    rows = tuple(
        np.column_stack([part[name] for name in ("segment", "hour", "click")])
        for part in (samples.unseen, samples.simulated, samples.seen)
    )
    yield compared("visitors", "segment, hour, click", lambda a, b: classifier(a, b, rng), rows)  # type: ignore[arg-type]
    yield compared("ads", "click rate of an ad", kolmogorov_smirnov, _column(samples, "ad rate"))
    yield compared("ads", "share of an ad", kolmogorov_smirnov, _column(samples, "ad share"))


def _clicks(
    part: str, unseen: Any, simulated: Any, seen: Any, rng: np.random.Generator
) -> Iterator[Comparison]:
    k = unseen.shape[1]

    def first(clicks: Any) -> Any:
        return np.where(clicks.any(axis=1), clicks.argmax(axis=1), k)

    columns: dict[str, Callable[[Any], Any]] = {
        "clicks by position": lambda clicks: np.nonzero(clicks)[1],
        "clicks of a session": lambda clicks: clicks.sum(axis=1),
        "first click": first,
        "last click": lambda clicks: first(clicks[:, ::-1]),
        "positions 1 and 2": lambda clicks: 2 * clicks[:, 0].astype(np.int64) + clicks[:, 1],
    }
    for what, column in columns.items():
        yield compared(part, what, total_variation, (column(unseen), column(simulated), column(seen)))
    rows = (unseen.astype(float), simulated.astype(float), seen.astype(float))
    yield compared(part, "all ten positions", lambda a, b: classifier(a, b, rng), rows)


def _delays(data: Path, parameters: WorldParameters, rng: np.random.Generator) -> Iterator[Comparison]:
    delays, fit = read_delays(data), parameters.delays
    cut = int(DELAY_TRAIN * len(delays))
    weights, means, scales = (np.array(each) for each in (fit.weights, fit.log_means, fit.log_scales))
    seconds = delay_seconds(weights, means, scales, rng.random(20_000), rng.random(20_000))
    simulated = np.rint(seconds / 60.0)
    columns = (delays[cut:], simulated, delays[:cut])
    yield compared("delays", "minutes", kolmogorov_smirnov, columns)
    yield compared("delays", "log minutes", lambda a, b: energy(np.log1p(a), np.log1p(b), rng), columns)


def _prices(data: Path, parameters: WorldParameters, rng: np.random.Generator) -> Iterator[Comparison]:
    histograms = read_histograms(data)
    hours, prices = read_pay_prices(data)
    for campaign, unseen in (("2997", read_test_prices(data)), ("2259", prices)):
        quantiles = next(each.quantiles for each in parameters.landscapes if each.name == campaign)
        bids = np.interp(rng.random(len(unseen)), np.linspace(0, 1, len(quantiles)), quantiles)
        counts = histograms[campaign]
        seen = rng.choice(len(counts), len(unseen), p=counts / counts.sum()).astype(np.float64)
        columns = (unseen, np.rint(bids), seen)
        yield compared("prices", f"campaign {campaign}", kolmogorov_smirnov, columns)
        yield compared("prices", f"campaign {campaign}", lambda a, b: energy(a, b, rng), columns)
    # In the world bids do not depend on the hour; nor do the log's prices, dealt anew to its hours.
    rows = np.column_stack([hours, prices])
    dealt = np.column_stack([hours, rng.permutation(prices)])
    half = rng.random(len(rows)) < 0.5
    yield compared(
        "prices", "campaign 2259: hour and price", lambda a, b: classifier(a, b, rng),
        (rows[half], dealt[~half], rows[~half]),
    )  # fmt: skip


def draw(found: list[Comparison], path: Path) -> None:
    """Writes a figure of all distances."""
    with style(), rc_context({"svg.fonttype": "none", "svg.hashsalt": "fidelity"}):
        figure = new_figure(0.21 * len(found) + 0.9)
        axes = tidy(figure.add_subplot())
        rows = np.arange(len(found))[::-1]
        for row, each in zip(rows, found, strict=True):
            axes.plot([each.of_the_log, each.distance], [row, row], color=MUTED, linewidth=1, alpha=0.6)
            axes.plot(each.of_the_log, row, "|", color=MUTED, markersize=9)
            axes.plot(each.distance, row, "o", color=AMBER if each.told_apart else TEAL, markersize=5.5)
        axes.set_yticks(rows, [f"{each.part}: {each.what} ({each.method})" for each in found], fontsize=8)
        axes.set(
            xlabel="distance of simulated from unseen rows; stroke: of the log from itself",
            xlim=(-0.01, None),
        )
        axes.plot([], [], "o", color=AMBER, label="told apart")
        axes.plot([], [], "o", color=TEAL, label="not told apart")
        axes.legend(loc="lower right")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public logs")
    parser.add_argument("--plot", type=Path, help="where to write the figure, SVG")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    arguments = parser.parse_args()
    with Console(stderr=True).status("comparing"):
        found = all_comparisons(arguments.data, read_parameters(), arguments.seed)
    table = Table("part", "what", "method", "rows", "distance", "the log's own", "p", "told apart")
    for each in found:
        table.add_row(
            each.part, each.what, each.method, f"{each.rows:,}", f"{each.distance:.3f}",
            f"{each.of_the_log:.3f}", f"{each.p_value:.4f}", "yes" if each.told_apart else "no",
        )  # fmt: skip
    Console(width=110).print(table)
    if arguments.plot is not None:
        draw(found, arguments.plot)
    print(
        json.dumps(
            {
                "benchmark": "simulation_fidelity",
                "comparisons": [asdict(each) for each in found],
                "machine": machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
