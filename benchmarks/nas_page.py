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
        "DARTS, SNAS, DSNAS, ProxylessNAS, One-Shot and few-shot search learn from a net that shares",
        "weights. A table has none: nets fitted to the trials stand in for it (`nas.strategies.surrogate`),",
        "and every trial of theirs is a query. That says how they search, not how well shared weights rank.",
        "DARTS of second order needs weights and is refused; AutoML-Zero searches programs and has no table.",
        "Compound scaling has tried all it has to try after a dozen queries.",
        "",
        "REINFORCE asked for the median latency of titan_rtx_1 in"
        f" {result['queries']['target']} queries; where the policy's mode lands:",
        "",
        "| reward | latency / target | within 5 % | accuracy |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {_cell(figures['ratio'], 3)} | {figures['within_5_percent']:.0%} |"
            f" {_cell(figures['accuracy'], 2)} |"
            for name, figures in target.items()
        ),
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

    figure, axes = plt.subplots(figsize=(8, 4.2))
    for place, (name, curve) in enumerate(curves.items()):
        dashes = ("-", "--")[place // 10 % 2]  # there are ten colours
        axes.plot(np.arange(1, len(curve) + 1), best - curve, dashes, label=name, linewidth=1.2)
    axes.set(
        xlabel="queries",
        ylabel="regret (points of accuracy)",
        yscale="log",
        title="NAS-Bench-201, CIFAR-100, one seed a query",
    )
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
