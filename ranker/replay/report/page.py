"""Puts figures, tables and text of replayed rows into one HTML file without external resources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ranker.replay.diagnostics import Answerability
from ranker.replay.evaluation import WEIGHTING
from ranker.replay.report.plots import segments_plot, stretches_plot, values_plot
from ranker.replay.row_study import HEADLINE
from ranker.report.page import Card, render_page

if TYPE_CHECKING:
    from ranker.replay.intervals import Interval
    from ranker.replay.row_study import RowStudy

SHOWN = (HEADLINE, *(name for name in WEIGHTING if name != HEADLINE))


def write_row_report(study: RowStudy, path: Path) -> None:
    """Writes the report; it opens anywhere, also without a network."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(study), encoding="utf-8")


def render(study: RowStudy) -> str:
    """Returns the page."""
    logged = (study.logged_value, study.logged_interval)
    segmented = [each for each in study.policies if each.segments]
    drifting = [each for each in study.policies if each.stretches]
    plots = {
        "values": values_plot(study.policies, logged, SHOWN, "row"),
        "segments": segments_plot(segmented, "row") if segmented else "",
        "stretches": stretches_plot(drifting) if drifting else "",
    }
    return render_page(
        Path(__file__).parent / "page.html",
        plots,
        {"number": _number, "signed": _signed, "interval": _interval},
        study=study,
        headline=HEADLINE,
        cards=_cards(study),
    )


def _cards(study: RowStudy) -> list[Card]:
    cards = [Card(_number(study.logged_value), "logged", f"reward per row of {study.num_rows:,} rows")]
    for each in study.policies:
        found, change = each.estimates[HEADLINE], each.difference.interval
        if found.verdict is not Answerability.ANSWERED:
            cards.append(Card(found.verdict.value.replace("_", " "), each.name, found.reasons[0], "bad"))
            continue
        mark = "good" if change.low > 0 else "bad" if change.high < 0 else ""
        cards.append(Card(_number(found.value), each.name, f"95 %: {_interval(found.interval)}", mark))
    return cards


def _number(value: float) -> str:
    return f"{value:.4g}"


def _signed(value: float) -> str:
    return f"{value:+.4g}"


def _interval(interval: Interval) -> str:
    return f"{interval.low:.4g} … {interval.high:.4g}"
