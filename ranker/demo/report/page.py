"""Puts figures, tables and text into one HTML file without external resources."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from ranker.demo.fixtures import INCOME_CLASSES, read_log
from ranker.demo.merchandising import NEW_BRANDS, constraint_weights
from ranker.demo.report.judgement_plots import preferences_plot, propensity_plot, values_plot
from ranker.demo.report.traffic_plots import constraints_plot, latency_plot, learning_plot
from ranker.demo.sentences import about, findings, verdict_sentence
from ranker.demo.traffic import WAIT_SECONDS
from ranker.report.page import percent, render_page

if TYPE_CHECKING:
    from ranker.demo.summary import DemoResult


METRIC_NAMES = {
    "normalised_entropy": "normalised entropy (below 1: better than the base rate)",
    "auc": "area under the ROC curve (0.5: chance)",
    "pr_auc": "area under precision and recall",
    "observed_predicted_ratio": "observed over predicted clicks",
}


def write_report(result: DemoResult, path: Path) -> None:
    """Write the report; it opens anywhere, also without a network."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(result), encoding="utf-8")


def render(result: DemoResult) -> str:
    """Return the page."""
    return render_page(
        Path(__file__).parent / "page.html",
        _plots(result),
        {
            "permille": lambda value: f"{1000 * value:.2f}",
            "milliseconds": lambda value: f"{1000 * value:.2f}",
            "about": about,
            "percent": percent,
        },
        result=result,
        slates=result.slates,
        creatives=result.creatives,
        evaluation=result.evaluation,
        findings=findings(result),
        verdict=verdict_sentence(result.evaluation.pooled),
        classes=INCOME_CLASSES,
        log=read_log("random"),
        num_clicks=round(result.evaluation.logging.value * result.slates.num_requests),
        metric_names=METRIC_NAMES,
        new_brands=NEW_BRANDS,
        num_new_items=int(constraint_weights()[0].sum()),
        wait_bound=WAIT_SECONDS,
        creative_stages={stage.stage: stage for stage in result.creatives.stages},
        model_plots={name: _data_uri(content) for name, content in result.model_plots.items()},
    )


def _plots(result: DemoResult) -> dict[str, str]:
    drawn = {
        "latency": latency_plot(result.slates, result.creatives),
        "constraints": constraints_plot(result.slates),
        "learning": learning_plot(result.creatives),
        "values": values_plot(result.evaluation),
        "propensities": propensity_plot(result.propensities),
    }
    if result.preferences:
        drawn["preferences"] = preferences_plot(result.preferences)
    return drawn


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
