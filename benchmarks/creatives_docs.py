"""Tables and plots of the creatives guide, from the runs of `benchmarks.creatives`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.creatives_arena import KNOBS
from benchmarks.creatives_results import summary

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmarks.creatives_results import Run

    Runs = dict[str, dict[str, list[Run]]]

mpl.rcParams["svg.hashsalt"] = "creatives"
CURVES = {
    "shipped": "#c2410c",
    "logistic TS": "#1d4ed8",
    "one-hot LinTS": "#0f766e",
    "AES: LinTS on the tree": "#7c3aed",
    "VW bag": "#a16207",
    "AutoCO repaired": "#be185d",
    "random": "#94a3b8",
}


def write(runs: Runs, docs: Path) -> None:
    """Writes the plots, and the tables between the markers of creatives.md."""
    published = {world: rows for world, rows in runs.items() if world not in KNOBS}
    generated = {world: rows for world, rows in runs.items() if world in KNOBS}
    page = docs / "creatives.md"
    text = page.read_text()
    for world, rows in published.items():
        text = replaced(text, world, table(rows))
    if published:
        _curves(published).savefig(docs / "creatives-regret.svg", metadata={"Date": None})
    if generated:
        text = replaced(text, "knobs", knobs_table(generated))
        _knobs(generated).savefig(docs / "creatives-knobs.svg", metadata={"Date": None})
    page.write_text(text)


def replaced(text: str, name: str, content: str) -> str:
    """Puts content between the markers of that name; raises ValueError where the page has none."""
    pattern = rf"(<!-- bench:{name} -->\n).*?(<!-- /bench -->)"
    found, count = re.subn(pattern, lambda match: match[1] + content + match[2], text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"creatives.md has {count} places for the table {name!r}, must be 1")
    return found


def table(rows: dict[str, list[Run]]) -> str:
    """One row a policy, the best first."""
    lines = [
        "| policy | seeds | regret at a quarter | at the end: mean ± sd | worst seed | of random's "
        "| 90 % coverage | calibration error | s a run |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    found = {name: summary(runs) for name, runs in rows.items()}
    for name, row in sorted(found.items(), key=lambda item: item[1]["mean"]):
        ratio = f"{row['mean'] / found['random']['mean']:.1%}" if "random" in found else "–"
        coverage = f"{row['coverage_90']:.1%}" if "coverage_90" in row else "–"
        error = f"{row['calibration_error']:.4f}" if "calibration_error" in row else "–"
        mean = f"{row['mean']:,.0f} ± {row['sd']:,.0f}" if row["seeds"] > 1 else f"{row['mean']:,.0f}"
        name = f"**{name}**" if name == "shipped" else name
        lines.append(
            f"| {name} | {row['seeds']} | {row['quarter']:,.0f} | {mean} | {row['max']:,.0f} | {ratio} "
            f"| {coverage} | {error} | {row['seconds']:,.1f} |"
        )
    return "\n".join(lines) + "\n"


def knobs_table(worlds: Runs) -> str:
    """One row a world, one column a policy: regret as a share of random's."""
    policies = [name for name in next(iter(worlds.values())) if name != "random"]
    lines = [
        "| world | seeds | random | " + " | ".join(policies) + " |",
        "|---" * (len(policies) + 3) + "|",
    ]
    for world, rows in worlds.items():
        cells = [f"{mean:.0%} ± {error:.0%}" for mean, error in (_share(rows, name) for name in policies)]
        random = summary(rows["random"])
        lines.append(f"| {world} | {random['seeds']} | {random['mean']:,.0f} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _share(rows: dict[str, list[Run]], name: str) -> tuple[float, float]:
    """Regret as a share of random's in the same world: mean over the seeds and its standard error."""
    random = {run.seed: run.regret[-1] for run in rows["random"]}
    shares = np.array([run.regret[-1] / random[run.seed] for run in rows[name]])
    return float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(shares.size)) if shares.size > 1 else 0.0


def _curves(worlds: Runs) -> Figure:
    """Regret over impressions: mean, and a band from the least to the greatest seed."""
    figure = Figure(figsize=(4.2 * len(worlds), 3.6), layout="constrained")
    drawn: Axes
    for drawn, (world, rows) in zip(
        figure.subplots(1, len(worlds), squeeze=False)[0], worlds.items(), strict=True
    ):
        for name, colour in CURVES.items():
            if name not in rows:
                continue
            x = np.array(rows[name][0].impressions)
            curves = np.array([run.regret for run in rows[name]])
            few = np.unique(np.linspace(0, x.size - 1, 60).astype(int))
            low, mean, high = curves.min(axis=0)[few], curves.mean(axis=0)[few], curves.max(axis=0)[few]
            drawn.plot(x[few], mean, color=colour, linewidth=1.3, label=f"{name} ({len(curves)})")
            drawn.fill_between(x[few], low, high, color=colour, alpha=0.15, linewidth=0)
        drawn.set(title=world, xlabel="impressions", yscale="log")
        drawn.legend(fontsize=6, frameon=False)
        drawn.spines[["top", "right"]].set_visible(False)
    figure.supylabel("regret in clicks: mean, least to greatest seed", fontsize=9)
    return figure


def _knobs(worlds: Runs) -> Figure:
    figure = Figure(figsize=(7.6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    policies = [name for name in next(iter(worlds.values())) if name != "random"]
    for place, name in enumerate(policies):
        means, errors = zip(*(_share(rows, name) for rows in worlds.values()), strict=True)
        x = np.arange(len(worlds)) + 0.12 * (place - 0.5 * (len(policies) - 1))
        colour = CURVES.get(name)
        axes.errorbar(x, means, yerr=errors, fmt="o", markersize=4, label=name, color=colour)
    axes.set_xticks(range(len(worlds)), [world.replace(" ", "\n", 1) for world in worlds], fontsize=7)
    axes.set_ylabel("regret as a share of random's")
    axes.set_ylim(bottom=0.0)
    axes.legend(fontsize=7, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
