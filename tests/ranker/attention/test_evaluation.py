from __future__ import annotations

import numpy as np

from ranker.attention.chain import Chain
from ranker.attention.click_log import Sessions
from ranker.attention.evaluation import draw_clicks, evaluate


def test_perplexities_by_hand() -> None:
    # Cascade with α = (1/2, 1/4): P(click at 1) = 1/2·1/4 = 1/8. Clicks 10 and 00.
    model = Chain("cascade", np.array([0.5, 0.25]), np.ones(2), 1.0)
    found = evaluate(model, Sessions(np.array([[0, 1], [0, 1]]), np.array([[1, 0], [0, 0]], bool), 2))
    np.testing.assert_allclose(found.perplexity_by_position, [2, 8 / 7])
    np.testing.assert_allclose(found.perplexity, (2 + 8 / 7) / 2)
    np.testing.assert_allclose(found.log_likelihood, (np.log(0.5) + np.log(0.5 * 0.75)) / 2)
    np.testing.assert_allclose(found.conditional_perplexity, (2 + np.sqrt(4 / 3)) / 2)


def test_positions_without_an_item_do_not_count() -> None:
    model = Chain("cascade", np.array([0.5, 0.25]), np.ones(2), 1.0)
    found = evaluate(model, Sessions(np.array([[0, 1], [0, -1]]), np.zeros((2, 2), bool), 2))
    np.testing.assert_allclose(found.perplexity_by_position, [2, 8 / 7])


def test_drawn_sessions_have_the_models_click_rates(rng: np.random.Generator) -> None:
    # 40,000 sessions: sd ≤ .5/200 = .0025 a position; 4.5 sd.
    model = Chain("dbn", np.array([0.5, 0.3, 0.4]), np.array([0.2, 0.6, 0.5]), 0.7)
    items = np.tile(np.arange(3), (40_000, 1))
    drawn = draw_clicks(model, items, 3, rng)
    expected = model.click_probabilities(items[:1])[0]
    np.testing.assert_allclose(drawn.clicks.mean(axis=0), expected, atol=4.5 * 0.0025)
