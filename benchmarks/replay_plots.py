"""The plots of the replay guide, from the benchmark's figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

mpl.rcParams["svg.hashsalt"] = "replay"


def plot(found: dict[str, Any], docs: Path) -> None:
    """Draw what was measured: coverage by number of rows, and the gate beside the z-test."""
    if "coverage" in found:
        _save(_coverage(found["coverage"]), docs / "replay-coverage.svg")
    if "gate" in found:
        _save(_gate(found["gate"]), docs / "replay-gate.svg")


def _coverage(sizes: dict[str, dict[str, dict[str, float]]]) -> Figure:
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.axhspan(0.93, 0.97, color="#dfe8f3", label="93–97 %")
    for name in next(iter(sizes.values())):
        style = "-" if name.startswith("bootstrap") else "--"
        measured = {int(n): sizes[n][name]["coverage"] for n in sizes if name in sizes[n]}
        axes.plot(
            list(measured), list(measured.values()), style, marker="o", markersize=3, linewidth=1, label=name
        )
    axes.set(xscale="log", xlabel="rows of the log", ylabel="share of intervals that hold the value")
    axes.set_ylim(0.9, 1.005)
    figure.legend(loc="outside right center", fontsize=7, frameon=False)
    return figure


def _gate(runs: list[dict[str, Any]]) -> Figure:
    figure = Figure(figsize=(5.6, 2.2), layout="constrained")
    axes = figure.add_subplot()
    same = next(run for run in runs if run["lift"] == 0)
    names = ("gate, peeked daily", "z-test, at the end", "z-test, peeked daily")
    keys = ("gate_promoted", "z_test_at_the_end_significant", "z_test_peeked_daily_significant")
    bars = axes.barh(names, [same[key] for key in keys], color=["#1f6f5c", "#9aa5b1", "#b4483c"])
    axes.bar_label(bars, fmt=lambda v: f"{v:.1%}", padding=3, fontsize=8)
    axes.axvline(0.05, color="#333333", linewidth=0.8, linestyle=":")
    axes.set_xlabel(f"share of {same['streams']:,} A/A tests called different")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
