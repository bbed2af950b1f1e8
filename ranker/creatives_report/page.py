"""Writes the report on creatives: one HTML file, CSV, JSON."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bandit.insight import ElementInsight
from ranker.creatives_report.plots import calibration_plot, effects_plot, pairs_plot
from ranker.report.page import percent, render_page

if TYPE_CHECKING:
    from ranker.creatives_report.findings import Findings


def render(found: Findings, margin: float) -> str:
    """Return the page; it opens anywhere, also without a network."""
    plots = {}
    for number, space in enumerate(found.spaces):
        plots[f"effects{number}"] = effects_plot(space, f"effects{number}")
        if space.pairs:
            plots[f"pairs{number}"] = pairs_plot(space.pairs, f"pairs{number}")
    if found.calibration:
        plots["calibration"] = calibration_plot(found.calibration, "calibration")
    return render_page(
        Path(__file__).parent / "page.html",
        plots,
        {
            "percent": percent,
            "number": lambda value: f"{value:,.0f}",
            "signed": lambda value: f"{value:+.2f}",
        },
        found=found,
        origin=found.posterior.provenance,
        learned_at=datetime.fromtimestamp(found.posterior.provenance.created_at, UTC),
        margin=margin,
        # Cards are a headline: two spaces' worth at most.
        winners=[(space.space_id, _winners(space.elements)) for space in found.spaces[:2]],
    )


def as_csv(found: Findings) -> str:
    """Return one line an element of a space."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["space_id", *(item.name for item in fields(ElementInsight))])
    for space in found.spaces:
        for element in space.elements:
            writer.writerow([space.space_id, *asdict(element).values()])
    return text.getvalue()


def as_plain(found: Findings) -> dict[str, Any]:
    """Return what the report shows, for JSON."""
    return {
        "posterior_version": found.posterior.version,
        "catalogue_version": found.posterior.catalogue.version,
        "num_impressions": found.num_impressions,
        "num_clicks": found.num_clicks,
        "spaces": {space.space_id: [asdict(element) for element in space.elements] for space in found.spaces},
        "calibration": [asdict(group) for group in found.calibration],
    }


def _winners(elements: list[ElementInsight]) -> list[ElementInsight]:
    """The likeliest best element of each slot."""
    slots = dict.fromkeys(element.slot for element in elements)
    return [max((e for e in elements if e.slot == slot), key=lambda e: (e.best, e.effect)) for slot in slots]
