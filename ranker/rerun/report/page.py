"""Puts figures, tables and text of a rerun into one HTML file without external resources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ranker.replay.report.plots import segments_plot, values_plot
from ranker.report.page import Card, percent, render_page
from ranker.rerun.judgement import HEADLINE
from ranker.rerun.probe import NUM_PROBED
from ranker.rerun.report.model_plots import drift_plot, frontier_plot, predictions_plot, sensitivity_plot
from ranker.rerun.report.plots import CAUSE_COLOURS, causes_plot, movers_plot

if TYPE_CHECKING:
    from ranker.replay.intervals import Interval
    from ranker.rerun.judgement import Judgement
    from ranker.rerun.probe import Probe
    from ranker.rerun.rerun import Rerun


SHOWN = (HEADLINE, "IPS", "SNIPS", "Switch-DR", "DRos", "RIPS", "Cascade-DR", "SIPS", "PI")


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """What the report shows; policies in the order of their names, the logged one first."""

    rerun: Rerun
    judgement: Judgement | None  # None: no request has all of its rewards
    probe: Probe
    names: tuple[str, ...]


def write_report(page: Page, path: Path) -> None:
    """Writes the report; it opens anywhere, also without a network."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(page), encoding="utf-8")


def render(page: Page) -> str:
    """Returns the page."""
    rerun, judgement = page.rerun, page.judgement
    totals = {name: rerun.totals[name] for name in page.names if name in rerun.totals}
    movers = [name for name, each in totals.items() if each.candidates]
    plots = {"causes": causes_plot(totals) if totals else ""}
    plots |= {f"movers {name}": movers_plot(name, totals[name]) for name in movers}
    return render_page(
        Path(__file__).parent / "page.html",
        plots | _value_plots(judgement) | _model_plots(page.probe),
        {"number": _number, "signed": _signed, "interval": _interval, "percent": percent},
        judgement=judgement,
        probe=page.probe,
        totals=totals,
        movers=movers,
        flaws=rerun.flaws,
        causes=list(CAUSE_COLOURS),
        headline=HEADLINE,
        cards=_cards(rerun, judgement, page.names),
        num_reruns=max((each.reruns for each in totals.values()), default=0),
        num_probed=NUM_PROBED,
    )


def _value_plots(judgement: Judgement | None) -> dict[str, str]:
    if judgement is None:
        return {"segments": "", "values": ""}
    segmented = [each for each in judgement.policies if each.segments]
    # The first policy is the log's own: where it is alone, its changes say what this release changed.
    shown = segmented[1:] or segmented
    logged = (judgement.logged_value, judgement.logged_interval)
    return {
        "segments": segments_plot(shown, "request") if shown else "",
        "values": values_plot(judgement.policies, logged, SHOWN, "request"),
    }


def _model_plots(probe: Probe) -> dict[str, str]:
    has_predictions = probe.calibration is not None and probe.curves is not None
    return {
        "frontier": frontier_plot(probe.frontiers) if probe.frontiers else "",
        "predictions": predictions_plot(probe.calibration, probe.curves) if has_predictions else "",  # type: ignore[arg-type]  # both are there
        "sensitivity": "" if probe.sensitivity is None else sensitivity_plot(probe.sensitivity),
        "drift": "" if probe.drift is None else drift_plot(probe.drift),
    }


def _cards(rerun: Rerun, judgement: Judgement | None, names: tuple[str, ...]) -> list[Card]:
    cards = []
    logged = rerun.totals.get(names[0])
    if logged is not None:
        cards.append(
            Card(
                f"{logged.unmoved:,} of {logged.reruns:,}",
                "unmoved when rerun as logged",
                "the rest is answered otherwise by this release or these models",
                "good" if logged.unmoved == logged.reruns else "bad",
            )
        )
    for each in judgement.policies[1:] if judgement is not None else ():
        change, base = each.difference, judgement.logged_value if judgement is not None else 1.0
        low, high = change.interval.low, change.interval.high
        mark = "good" if low > 0 else "bad" if high < 0 else ""
        text = f"95 %: {low:+.3f} … {high:+.3f} per request"
        shown = f"{change.value / base:+.1%}" if base else _signed(change.value)
        cards.append(Card(shown, each.name, f"of value, by {HEADLINE}; {text}", mark))
    unusable = sum(count for flaw, count in rerun.flaws.counts.items() if flaw != "not_captured")
    cards.append(Card(f"{unusable:,}", "captures with a flaw", "named below", "good" if not unusable else ""))
    return cards


def _number(value: float) -> str:
    return f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _interval(interval: Interval) -> str:
    return f"{interval.low:.3f} … {interval.high:.3f}"
