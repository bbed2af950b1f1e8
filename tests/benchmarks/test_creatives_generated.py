from __future__ import annotations

import numpy as np
import pytest

from bandit.errors import CreativeError
from benchmarks.creatives_generated import Knobs, generate
from benchmarks.creatives_rivals import PAIRS
from benchmarks.creatives_tables import Table


def logits(table: Table) -> np.ndarray:
    return np.log(table.ctr / (1.0 - table.ctr))


def unexplained(table: Table, site: int) -> float:
    """Share of a site's variance that no sum over elements explains, by least squares."""
    rows = table.rows[site]
    design = np.zeros((len(rows), int(table.rows.max()) + 1))
    np.put_along_axis(design, rows.astype(np.int64), 1.0, axis=1)
    z = logits(table)[site]
    left = z - design @ np.linalg.lstsq(design, z, rcond=None)[0]
    return float(left.var() / z.var())


def test_without_interactions_log_odds_are_a_sum_over_elements() -> None:
    table = generate(Knobs(days=1, impressions=100), 0)
    assert unexplained(table, 0) == pytest.approx(0.0, abs=1e-12)
    assert logits(table).std(axis=1) == pytest.approx(0.35)


def test_the_interactions_hold_their_share_of_the_variance() -> None:
    table = generate(Knobs(interactions=0.5, days=1, impressions=100, sites=1), 0)
    # One site has no interactions with sites, so the additive fit leaves exactly those between slots;
    # the sum of the two parts adds no covariance, because centred tables are orthogonal to sums of effects.
    assert unexplained(table, 0) == pytest.approx(0.5, abs=1e-9)


def test_every_day_has_as_many_elements_and_churn_replaces_the_share_asked_for() -> None:
    knobs = Knobs(churn=0.05)
    table = generate(knobs, 3)
    alive = table.feasible[:: knobs.sites]
    elements = [
        {(slot, value) for c in np.flatnonzero(day) for slot, value in table.creatives[c].items()}
        for day in alive
    ]
    assert {len(day) for day in elements} == {18}
    assert len(set().union(*elements)) == 18 + int(0.05 * 18 * 19)
    for space, day in zip(table.catalogue.spaces, elements, strict=True):
        assert {(slot, value) for slot, values in space.elements.items() for value in values} == day


def test_drift_moves_click_rates_and_their_absence_does_not() -> None:
    still, moved = (generate(Knobs(drift=drift), 1).ctr.reshape(20, 5, -1) for drift in (0.0, 0.1))
    assert np.array_equal(still[0], still[-1])
    assert np.abs(moved[-1] - moved[0]).max() > 0.01


def test_the_same_seed_makes_the_same_world() -> None:
    assert generate(Knobs(), 5).digest == generate(Knobs(), 5).digest != generate(Knobs(), 6).digest


def test_pairs_with_the_context_join_the_site_to_each_slot() -> None:
    assert PAIRS["context"](generate(Knobs(days=1, impressions=100), 0)) == [(0, 1), (0, 2), (0, 3)]


@pytest.mark.parametrize(
    ("name", "value"), [("interactions", 1.5), ("ctr", 0.0), ("churn", -0.1), ("slots", 1)]
)
def test_a_knob_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(CreativeError, match=name):
        Knobs(**{name: value})  # type: ignore[arg-type]
