"""The page and plot of `benchmarks.nas_tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from nas.space import FloatArray


def write_page(result: dict[str, Any], path: Path) -> None:
    """Writes the figures of a run as a page."""
    lines = [
        "# Architecture search, measured",
        "",
        "Written by `make bench-nas`; how it works is in [architecture-search.md](architecture-search.md).",
        *_strategies(result),
        *_fronts(result),
        *_latency(result),
    ]
    path.write_text("\n".join(lines) + "\n")


def _strategies(result: dict[str, Any]) -> list[str]:
    search, target = result["search"], result["target"]
    lines = [
        "",
        "## Strategies",
        "",
        "NAS-Bench-201 on CIFAR-100 (15,625 cells). A query returns the accuracy of one training seed;",
        f"the best cell so far is judged by its mean over seeds (at most {search['best_mean']:.2f} %).",
        f"Mean over {result['runs']} searches ± half of its 95 % interval; in brackets the deviation of one.",
        "",
        "![Regret by queries](nas-search.svg)",
        "",
        "| strategy | 50 queries | 100 queries | 300 queries |",
        "| --- | --- | --- | --- |",
    ]
    for name, figures in search["strategies"].items():
        cells = [_cell(figures[q], 2) if q in figures else "–" for q in ("50", "100", "300")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [
        *lines,
        "",
        "REINFORCE with the absolute reward, asked for the median latency of titan_rtx_1: after",
        f"{result['queries']['target']} queries the policy's mode has {_cell(target['ratio'], 3)} of it, and",
        f"{target['within_5_percent']:.0%} of the searches land within 5 %.",
    ]


def _fronts(result: dict[str, Any]) -> list[str]:
    lines = [
        "",
        "## Fronts",
        "",
        "Share of the whole table's hypervolume (accuracy against latency) after"
        f" {result['queries']['front']} queries.",
        "",
        "| device | random | NSGA-II | difference |",
        "| --- | --- | --- | --- |",
    ]
    for device, figures in result["fronts"].items():
        cells = [_cell(figures[key], 4) for key in ("random", "nsga2", "difference")]
        lines.append(f"| {device} | {' | '.join(cells)} |")
    return lines


def _latency(result: dict[str, Any]) -> list[str]:
    lines = [
        "",
        "## Latency",
        "",
        f"Each device is learned from {result['queries']['timed']} models and judged on all others; means of",
        f"{result['fits']} fits. The number behind a GPU is the batch. Coverage is that of 90 % intervals.",
        "",
        "| device | Spearman | within 10 % | coverage | residual used |",
        "| --- | --- | --- | --- | --- |",
    ]
    for device, figures in result["latency"].items():
        shares = [figures[key] for key in ("within_10_percent", "coverage_90", "residual_used")]
        cells = [f"{figures['spearman']:.3f}", *(f"{share:.1%}" for share in shares)]
        lines.append(f"| {device} | {' | '.join(cells)} |")
    return lines


def _cell(figures: dict[str, float], digits: int) -> str:
    mean, half, sd = (figures[key] for key in ("mean", "half_width_95", "sd"))
    return f"{mean:.{digits}f} ± {half:.{digits}f} ({sd:.{digits}f})"


def plot(curves: dict[str, FloatArray], best: float, path: Path) -> None:
    """Draws the regret of each strategy's incumbent by queries."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6))
    for name, curve in curves.items():
        axes.plot(np.arange(1, len(curve) + 1), best - curve, label=name)
    axes.set(
        xlabel="queries",
        ylabel="regret (points of accuracy)",
        yscale="log",
        title="NAS-Bench-201, CIFAR-100, one seed a query",
    )
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
