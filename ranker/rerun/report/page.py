"""Puts figures, tables and text of a rerun into one HTML file without external resources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ranker.replay.report.plots import segments_plot, values_plot
from ranker.report.page import Card, render_page
from ranker.rerun.judgement import HEADLINE
from ranker.rerun.report.plots import CAUSE_COLOURS, causes_plot, movers_plot

if TYPE_CHECKING:
    from ranker.replay.intervals import Interval
    from ranker.rerun.judgement import Judgement
    from ranker.rerun.rerun import Rerun


SHOWN = (HEADLINE, "IPS", "SNIPS", "Switch-DR", "DRos")


def write_report(rerun: Rerun, judgement: Judgement | None, names: tuple[str, ...], path: Path) -> None:
    """Writes the report; it opens anywhere, also without a network."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(rerun, judgement, names), encoding="utf-8")


def render(rerun: Rerun, judgement: Judgement | None, names: tuple[str, ...]) -> str:
    """Returns the page; policies in the order of their names, the logged one first."""
    totals = {name: rerun.totals[name] for name in names if name in rerun.totals}
    movers = [name for name, each in totals.items() if each.candidates]
    plots = {"causes": causes_plot(totals)} if totals else {"causes": ""}
    plots |= {f"movers {name}": movers_plot(name, totals[name]) for name in movers}
    plots |= {"segments": "", "values": ""}
    if judgement is not None:
        segmented = [each for each in judgement.policies if each.segments]
        # The first policy is the log's own: where it is alone, its changes say what this release changed.
        if segmented:
            plots["segments"] = segments_plot(segmented[1:] or segmented, "request")
        logged = (judgement.logged_value, judgement.logged_interval)
        plots["values"] = values_plot(judgement.policies, logged, SHOWN, "request")
    return render_page(
        Path(__file__).parent / "page.html",
        plots,
        {"number": _number, "signed": _signed, "interval": _interval},
        judgement=judgement,
        totals=totals,
        movers=movers,
        flaws=rerun.flaws,
        causes=list(CAUSE_COLOURS),
        headline=HEADLINE,
        cards=_cards(rerun, judgement, names),
        num_reruns=max((each.reruns for each in totals.values()), default=0),
    )


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
