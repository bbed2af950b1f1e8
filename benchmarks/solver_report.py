"""Writes what benchmarks/solver.py measured as a page with tables and plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.solver_plots import plot_deadlines, plot_speed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Row = dict[str, Any]

LIBRARIES = {
    "best_glop": "GLOP",
    "best_glop_code": "GLOP: code",
    "best_glop_arrays": "GLOP: from arrays",
    "best_highs": "HiGHS",
    "best_highs_arrays": "HiGHS: from arrays",
}

PROTOTYPE = {
    5: {
        50: (3, 5, 14, 39, 82),
        100: (4, 6, 14, 44, 149),
        500: (5, 8, 20, 56, 237),
        1000: (8, 13, 29, 86, 316),
        5000: (30, 54, 125, 243, 795),
    },
    10: {
        50: (5, 9, 22, 77, 140),
        100: (5, 10, 23, 89, 266),
        500: (7, 12, 33, 110, 389),
        1000: (11, 18, 45, 156, 477),
        5000: (37, 61, 172, 399, 1144),
    },
    50: {
        50: (14, 17, 26, 42, 52),
        100: (17, 35, 107, 322, 333),
        500: (30, 57, 157, 459, 1907),
        1000: (38, 75, 205, 608, 2607),
        5000: (66, 129, 355, 966, 3830),
    },
}
"""Median µs of a C++ prototype on one core of another machine, by k and n, for K = 1, 2, 5, 10 and 20."""
PROTOTYPE_LIMITS = (1, 2, 5, 10, 20)

INTRODUCTION = """# The slate solver, measured

Written by `make bench-solver`; how it works is in [solver.md](solver.md).

{machine}; load {least_load:.1f} to {most_load:.1f}; {seconds:.0f} s in all.
numpy {numpy}, scipy {scipy}, numba {numba}, highspy {highspy}, cvxpy {cvxpy}, Clarabel {clarabel},
OR-Tools as pinned in benchmarks/.

Times are CPU time, the least of up to ten calls, problems taking turns, as the speed of a shared machine
comes and goes by a factor of two; a ratio within one run is worth more than a microsecond. n candidates,
K limits, k positions; {instances} problems a cell and family, for a rival {rivals} at most, no more after
{rival_seconds:g} s, and each ended after {rival_limit:g} s. *uniform*: value and weights uniform, limits at
0.8 of what a random slate uses. *gaussian*: both signs. *ads*: lognormal value, topics and quality at least,
formats at most. *yow_like*: the eight limits of Tkachenko et al. on data of our own. *nasty*: integers,
duplicates, near-collinear rows, mixed scales. Nothing here compares with NodeHopper's own program,
which is not public.
"""


def write_report(report: Row, folder: Path) -> None:
    """Writes solver-benchmark.md and its plots into the folder."""
    cells = report["cells"]
    first = [row for row in cells if row["family"] == cells[0]["family"]]
    plot_speed(first, folder / "solver-speed.svg")
    plot_deadlines(report["deadlines"], folder / "solver-deadlines.svg")
    head = report | report["versions"] | report["options"]
    parts = [
        INTRODUCTION.format(**head),
        speed_section(first, report["slates_per_second"]),
        rivals_section(first),
        families_section(cells),
        deadlines_section(report["deadlines"]),
        served_section(report),
        positioned_section(report["positioned"]),
    ]
    (folder / "solver-benchmark.md").write_text("\n".join(parts))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(each) for each in line) + " |" for line in lines) + "\n"


def short(number: float | None) -> str:
    """Returns a number in three digits."""
    if number is None:
        return "–"
    return f"{number:.0f}" if abs(number) >= 100.0 else f"{number:.3g}"


def percent(share: float) -> str:
    """Returns a share in percent."""
    return f"{100.0 * share:.3g} %"


def name(cell: Sequence[int]) -> str:
    """Returns n, K, k."""
    return ", ".join(map(str, cell))


def pair(numbers: Sequence[float]) -> str:
    """Returns the first and the last of some numbers."""
    return f"{short(numbers[0])} / {short(numbers[-1])}"


def speed_section(rows: list[Row], slates_per_second: dict[str, float]) -> str:
    """Returns the tables of our own times."""
    text = ["## Time of a slate\n", "![Time by size](solver-speed.svg)\n"]
    text.append(
        "The public call `solve`, median / 99th percentile over the problems in µs; in brackets the median\n"
        "of the priced slates; then µs a slate in one `solve_many` on one thread.\n"
    )
    for k in sorted({row["cell"][2] for row in rows}):
        here = [row for row in rows if row["cell"][2] == k]
        constraints = sorted({row["cell"][1] for row in here})
        lines = []
        for n in sorted({row["cell"][0] for row in here}):
            of_size = {row["cell"][1]: row for row in here if row["cell"][0] == n}
            lines.append([n, *(speed(of_size[K]) for K in constraints)])
        text.append(table([f"n (k = {k})", *(f"K = {K}" for K in constraints)], lines))
    text.append(
        "The machine code alone, as `solve` calls it: median in µs; in\n"
        "brackets over that of a C++ prototype, measured on another machine and problems of its own.\n"
    )
    text.append(code_table(rows))
    hopeless = sum(row["status"]["infeasible"] for row in rows)
    stopped = sum(row["status"]["stopped"] for row in rows)
    total = sum(row["instances"] for row in rows)
    text.append(f"Of these {total} problems {hopeless} were proved infeasible and {stopped} stopped short.\n")
    one, two = slates_per_second["one"], slates_per_second["two"]
    spin = slates_per_second["machine"]
    text.append(
        f"Slates a second by the wall clock, n = 100, K = 5, k = 10: {one:.0f} on one thread, {two:.0f}\n"
        f"on two: {two / one:.2f} times as many, where a loop in registers does {spin:.2f} times as much.\n"
    )
    return "\n".join(text)


def speed(row: Row) -> str:
    """Returns call, steps and batch time of a cell."""
    return f"{pair(row['call_us'])} ({row['steps'][0]:.0f}); {short(row['batch_us'])}"


def code_table(rows: list[Row]) -> str:
    """Returns the table of the machine code beside the prototype."""
    constraints = sorted({row["cell"][1] for row in rows})
    lines = []
    for k in sorted({row["cell"][2] for row in rows}):
        for n in sorted({row["cell"][0] for row in rows if row["cell"][2] == k}):
            of_size = {row["cell"][1]: row for row in rows if row["cell"][0] == n and row["cell"][2] == k}
            lines.append([f"{n}, {k}", *(code(of_size[K]) for K in constraints)])
    return table(["n, k", *(f"K = {K}" for K in constraints)], lines)


def code(row: Row) -> str:
    """Returns the time of the machine code, and in brackets over the prototype's where that is known."""
    n, K, k = row["cell"]
    found = PROTOTYPE.get(k, {}).get(n) if K in PROTOTYPE_LIMITS else None
    if found is None:
        return short(row["code_us"])
    return f"{short(row['code_us'])} ({row['code_us'] / found[PROTOTYPE_LIMITS.index(K)]:.2f})"


def rivals_section(rows: list[Row]) -> str:
    """Returns the table of ratios."""
    timed = [row for row in rows if row.get("rivals")]
    if not timed:
        return "## Beside other solvers\n\nNot run.\n"
    keys = [key for key in LIBRARIES if any(key in row["rivals"] for row in timed)]
    others = ["pdlp_strong", "scipy_end_to_end", "cvxpy_clarabel_end_to_end"]
    heads = [
        "n, K, k",
        *(LIBRARIES[key] for key in keys),
        "PDLP",
        "scipy",
        "cvxpy + Clarabel",
        "differs",
    ]
    lines = []
    for row in timed:
        found = row["rivals"]
        exact = [found[key]["difference"] for key in found if key.startswith(("glop", "highs"))]
        lines.append(
            [
                name(row["cell"]),
                *(ratio(found[key]) if key in found else "–" for key in keys),
                *(short(found[key]["ratio"]) if key in found else "–" for key in others),
                f"{max((each for each in exact if each is not None), default=float('nan')):.0e}",
            ]
        )
    timeouts = sum(found.get("timeouts", 0) for row in timed for found in row["rivals"].values())
    return (
        "## Beside other solvers\n\n"
        "CPU time over that of our `solve` on the same problem: median over the problems, [95 % bootstrap\n"
        "interval], least; in brackets the problems. GLOP (primal and dual simplex) and HiGHS (presolve on\n"
        "and off) solve the strong program, K + k rows, and where n × k ≤ 5000 also the assignment program;\n"
        "the best configuration counts for each problem, its solve alone: the model is copied in before.\n"
        "Like with like: *code* is their solve alone over our machine code alone, without the Python around\n"
        "it; *from arrays* is theirs with the copies of model and answer, the matrix ready, over our\n"
        "`SlateProblem` and `solve`. Each side is timed up to ten times, in turns; the least counts.\n"
        "PDLP solves the strong program to its own tolerance; scipy and cvxpy are timed end to end; these\n"
        "three where n × k ≤ 50,000.\n"
        "*differs*: largest relative difference in objective to GLOP or HiGHS. A rival whose time was up\n"
        "counts with the time it had"
        f" ({timeouts} such answers).\n\n" + table(heads, lines)
    )


def ratio(found: Row) -> str:
    """Returns median, interval, least and number of problems."""
    interval = f"[{short(found['low'])}, {short(found['high'])}]"
    return f"{short(found['ratio'])} {interval}, {short(found['least'])} ({found['instances']})"


def families_section(cells: list[Row]) -> str:
    """Returns the table of the families at K = 5, k = 10."""
    lines = [
        [
            row["family"],
            name(row["cell"]),
            pair(row["call_us"]),
            pair(row["steps"]),
            short(row["tight"]),
            percent(row["status"]["infeasible"] / row["instances"]),
            percent(row["status"]["stopped"] / row["instances"]),
            *(short(row.get("rivals", {}).get(key, {}).get("ratio")) for key in ("best_glop", "best_highs")),
        ]
        for row in cells
        if tuple(row["cell"][1:]) in ((5, 10), (20, 10))
    ]
    heads = ["family", "n, K, k", "µs", "slates priced", "tight", "infeasible", "stopped", "GLOP", "HiGHS"]
    return (
        "## Families\n\nMedian / 99th percentile; tight limits on average; ratios where they were run.\n\n"
        + table(heads, lines)
    )


def deadlines_section(rows: list[Row]) -> str:
    """Returns the table of quality at equal deadlines."""
    lines = []
    for row in rows:
        methods = [row[each] for each in ("ours", "sort_at_our_dual", "subgradient")]
        shown = [
            f"{each['loss']:.1e} / {each['violation']:.1e} / {percent(each['within'])}" for each in methods
        ]
        lines.append([name(row["cell"]), row["deadline_us"], *shown, short(row["ours_took"]["median_us"])])
    heads = ["n, K, k", "deadline, µs", "ours", "sort at our λ", "subgradient", "ours took, µs"]
    return (
        "## Quality at a deadline\n\n![Loss and violation at a deadline](solver-deadlines.svg)\n\n"
        "Median relative loss of value / median of the worst violation, in units of the largest use of\n"
        "a slate / share of problems where the limits hold in expectation. A negative loss is bought by\n"
        "violation. The subgradient method is compiled, told the distance |λ*|, and given the deadline\n"
        "without any call overhead; its answer is a mean of its slates that favours the later ones.\n"
        "GLOP and HiGHS answer when they end: see their times above. *Ours took*: by the wall clock, Python\n"
        "and neighbours included.\n\n" + table(heads, lines)
    )


def served_section(report: Row) -> str:
    """Returns the tables of what dual methods serve and of the draws."""
    lines = [
        [
            row["family"],
            name(row["cell"]),
            percent(row["sort_within"]),
            percent(row["sort_violation"]),
            percent(row["rule_within"]),
            "–" if row["rule_loss"] is None else percent(row["rule_loss"]),
            percent(row["mixture_slates_within"]),
        ]
        for row in report["served"]
        if "sort_within" in row
    ]
    heads = ["family", "n, K, k", "sort at λ*", "excess", "(1 + ε) λ*", "its loss", "slates of the mixture"]
    walks = [
        [
            row["family"],
            name(row["cell"]),
            short(row["kelley_time_ratio"]),
            short(row["kelley_step_ratio"]),
            percent(row["coordinates_stuck"]),
            percent(row["coordinates_worst_gap"]),
            short(row["coordinates_evaluation_ratio"]),
        ]
        for row in report["dual_walks"]
        if row["solved"]
    ]
    walk_heads = [
        "family",
        "n, K, k",
        "Kelley: time",
        "steps",
        "coordinates: stuck",
        "worst gap",
        "evaluations",
    ]
    draws = report["draws"]
    return (
        "## What is served\n\n"
        "Share of problems where the slate keeps all limits: the sort at the optimal λ, by how much\n"
        "its worst limit is exceeded (median, relative to the limit); the sort at (1 + ε)λ with the ε\n"
        "that was best on 15 other problems, and its median loss where it keeps them. The mixture keeps\n"
        "all limits in expectation, in every problem; the last column is how many of its drawn slates\n"
        "keep all limits on their own. Where each slate has to, that is `Mode.EVERY_SLATE`.\n\n"
        + table(heads, lines)
        + f"\n{draws['num_draws']} slates drawn from each of ten mixtures: the least p-value of"
        f" {draws['num_tests']} χ² tests (slates, and candidates at each position) times their number is"
        f" {short(draws['least_p_times_tests'])}; the mean use is off by at most"
        f" {percent(draws['use_error_over_hoeffding'])} of Hoeffding's bound at 1e-6.\n\n"
        "Kelley's method is ours without smoothing: time and steps over ours. *Coordinates* stands in for\n"
        "methods that walk from a point of the dual to the best neighbour: exact line searches along the 2K\n"
        "coordinate directions, our reconstruction, in benchmarks/ only (patent US 12,001,484 B2). Share of\n"
        "problems where it stops short of the optimum (gap above 1e-8), its worst gap, and its evaluations\n"
        "of the dual over the slates that we price.\n\n" + table(walk_heads, walks)
    )


def positioned_section(rows: list[Row]) -> str:
    """Returns the table of the cost of weights by position."""
    lines = [
        [
            name(row["cell"]),
            pair(row["ms"]),
            short(row["steps"]),
            short(row["over_weights_by_attention"]),
            short(row["scipy_highs_over_ours"]),
            "–" if row["difference"] is None else f"{row['difference']:.0e}",
            f"{row['optimal']} of {row['instances']}",
        ]
        for row in rows
    ]
    heads = ["n, K, k", "ms", "steps", "× weights by attention", "scipy HiGHS / ours", "differs", "feasible"]
    return (
        "## Weights by position\n\n"
        "Groups limited by their count in the top third: median / 99th percentile of `solve_positioned`,\n"
        "its time over that of `solve` on groups limited by attention, and the assignment program in\n"
        "scipy's HiGHS over ours (n × k ≤ 10,000, end to end).\n\n" + table(heads, lines)
    )
