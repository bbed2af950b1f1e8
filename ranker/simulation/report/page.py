"""Puts figures, tables and text of a study into one HTML file without external resources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ranker.report.page import Card, percent, render_page
from ranker.rerun.report.model_plots import frontier_plot, predictions_plot, sensitivity_plot
from ranker.simulation.report.plots import (
    conversions_plot,
    days_plot,
    segments_plot,
    values_plot,
)
from ranker.simulation.study import AGES_SECONDS
from ranker.slate import Basis

if TYPE_CHECKING:
    from ranker.rerun.frontier import Sensitivity
    from ranker.simulation.results import Mean
    from ranker.simulation.scenario import Scenario
    from ranker.simulation.study import Study


def write_report(study: Study, path: Path) -> None:
    """Writes the report; it opens anywhere, also without a network."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(study), encoding="utf-8")


def render(study: Study) -> str:
    """Returns the page."""
    return render_page(
        Path(__file__).parent / "page.html",
        _plots(study),
        {"number": number, "signed": signed, "interval": interval, "percent": percent},
        study=study,
        scenario=study.scenario,
        cards=cards(study),
        asked=lambda policy, constraint: asked(study.scenario, policy, constraint),
        num_probed=study.num_probed,
        num_draws=len(study.sensitivity.draws),
        num_segments=max((len(each) for each in study.segments.values()), default=0),
        num_impressions=study.policies[0].num_requests * study.scenario.market.positions,
        sensitivity_text=sensitivity_text(study.sensitivity),
        sources=study.sources,
    )


def _plots(study: Study) -> dict[str, str]:
    return {
        "values": values_plot(study),
        "frontier": frontier_plot(study.frontiers) if study.frontiers else "",
        "segments": segments_plot(study.segments) if study.segments else "",
        "days": days_plot(study),
        "predictions": predictions_plot(study.calibration, study.curves),
        "sensitivity": sensitivity_plot(study.sensitivity),
        "conversions": conversions_plot(AGES_SECONDS / 60.0, study.known_conversions),
    }


def cards(study: Study) -> list[Card]:
    """Returns the headlines: each policy's change, then how far predictions and attention can be trusted."""
    first, *others = study.policies
    found = [
        Card(
            f"{each.change.value / first.value.value:+.1%}",
            each.name,
            f"of value, against “{first.name}”; 95 %: {_relative(each.change, first.value.value)}",
            _mark(each.change),
        )
        for each in others
        if each.change is not None
    ]
    ratio = float(np.mean(study.promised_by_day[len(study.promised_by_day) // 2 :]))
    found.append(
        Card(
            f"{ratio:.2f}",
            "clicks for one predicted",
            "in the second half of the run; 1 is a calibrated model",
            "good" if abs(ratio - 1) < 0.05 else "bad",
        )
    )
    worst = float(study.sensitivity.loss_if.max())
    text = "of value, at most, over the curves within its interval"
    found.append(Card(f"{worst:.1%}", "lost by uncertain attention", text, "good" if worst < 0.01 else ""))
    return found


def sensitivity_text(sensitivity: Sensitivity) -> str:
    """Returns what the figure shows, in words."""
    relative = sensitivity.value_if / sensitivity.objective - 1
    return (
        f"Our slates would be worth {relative.min():+.1%} to {relative.max():+.1%}; slates made for the true "
        f"draw would be worth at most {sensitivity.loss_if.max():.2%} more than ours. Below 0 ours are worth "
        "more, because under the true draw they would break a limit."
    )


def asked(scenario: Scenario, policy: str, constraint: str) -> str:
    """Returns what a policy asks of a constraint, in words: "at least 30 % of attention"."""
    limits = next(each.limits for each in scenario.policies if each.name == policy)
    found = next(each for each in scenario.constraints if each.name == constraint)
    limit = limits.get(constraint, found.limit)
    amount = f"{limit:.0%} of attention" if found.basis is Basis.SHARE_OF_ATTENTION else f"{limit:g}"
    return f"{found.relation.value.replace('_', ' ')} {amount}"


def number(value: float, digits: int = 3) -> str:
    """Returns a number as text."""
    return f"{value:.{digits}f}"


def signed(value: float) -> str:
    """Returns a number with its sign."""
    return f"{value:+.3f}"


def interval(mean: Mean) -> str:
    """Returns the ends of an interval."""
    return f"{mean.low:.3f} … {mean.high:.3f}"


def _relative(change: Mean, base: float) -> str:
    return f"{change.low / base:+.1%} … {change.high / base:+.1%}"


def _mark(change: Mean) -> str:
    return "good" if change.low > 0 else "bad" if change.high < 0 else ""
