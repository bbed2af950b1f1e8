"""Cascade, simplified DBN and DBN against counting by hand and enumeration of the hidden states."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ranker.attention.cascade import fit_cascade
from ranker.attention.chain import Chain
from ranker.attention.click_log import Sessions
from ranker.attention.dbn import em_step, fit_dbn
from ranker.attention.evaluation import draw_clicks, evaluate
from ranker.attention.simplified_dbn import fit_simplified_dbn

ALPHA = np.array([0.6, 0.3, 0.5])
SATISFACTION = np.array([0.4, 0.7, 0.2])
DBN = Chain("dbn", ALPHA, SATISFACTION, 0.8)
ITEMS = np.array([[0, 1, 2]])
PATTERNS = np.array(list(product([False, True], repeat=3)))


def brute_force(model: Chain, items: tuple[int, ...]) -> tuple[dict, dict, dict]:
    """Sums over every hidden history: P(clicks), P(looked at j), and the expected EM counts given clicks."""
    alpha, satisfaction, perseverance = model.parameters
    chance: dict[tuple[bool, ...], float] = {}
    looked: dict[int, float] = {}
    tally: dict[tuple[bool, ...], np.ndarray] = {}

    def walk(j: int, p: float, clicks: tuple[bool, ...], counts: np.ndarray) -> None:
        if j == len(items):
            chance[clicks] = chance.get(clicks, 0.0) + p
            tally[clicks] = tally.get(clicks, 0.0) + p * counts
            return
        i, silent = items[j], (False,) * (len(items) - j)
        looked[j] = looked.get(j, 0.0) + p
        here = counts.copy()
        here[i, 1] += 1
        last = j == len(items) - 1

        def go_on(p: float, clicks: tuple[bool, ...], counts: np.ndarray) -> None:
            if last:
                walk(j + 1, p, clicks, counts)
                return
            stay, leave = counts.copy(), counts.copy()
            stay[-1, :2] += 1
            leave[-1, 1] += 1
            walk(j + 1, p * perseverance, clicks, stay)
            walk(len(items), p * (1 - perseverance), clicks + silent[1:], leave)

        go_on(p * (1 - alpha[i]), (*clicks, False), here)
        clicked = here.copy()
        clicked[i, 0] += 1
        if not last:
            clicked[i, 3] += 1
        satisfied = clicked.copy()
        if not last:
            satisfied[i, 2] += 1
        walk(len(items), p * alpha[i] * satisfaction[i], (*clicks, True, *silent[1:]), satisfied)
        go_on(p * alpha[i] * (1 - satisfaction[i]), (*clicks, True), clicked)

    walk(0, 1.0, (), np.zeros((len(alpha) + 1, 4)))
    return chance, looked, tally


def sessions_of(clicks: np.ndarray, items: np.ndarray = ITEMS) -> Sessions:
    return Sessions(np.repeat(items, len(clicks), axis=0), clicks, 3)


@pytest.mark.parametrize(
    "model", [DBN, Chain("sdbn", ALPHA, SATISFACTION, 1.0), Chain("cascade", ALPHA, np.ones(3), 1.0)]
)
def test_probabilities_are_those_of_enumerating_every_history(model: Chain) -> None:
    chance, looked, _ = brute_force(model, (0, 1, 2))
    sessions = sessions_of(PATTERNS)
    p = model.conditional_click_probabilities(sessions)
    joint = np.where(PATTERNS, p, 1 - p).prod(axis=1)
    np.testing.assert_allclose(joint, [chance.get(tuple(c), 0.0) for c in PATTERNS.tolist()], atol=1e-14)
    np.testing.assert_allclose(model.examination(ITEMS)[0], [looked[j] for j in range(3)])
    marginal = [sum(q for c, q in chance.items() if c[j]) for j in range(3)]
    np.testing.assert_allclose(model.click_probabilities(ITEMS)[0], marginal)


@pytest.mark.parametrize("pattern", PATTERNS.tolist())
def test_an_em_step_counts_what_enumeration_expects(pattern: list[bool]) -> None:
    chance, _, tally = brute_force(DBN, (0, 1, 2))
    expected = tally[tuple(pattern)] / chance[tuple(pattern)]
    updated, value = em_step(sessions_of(np.array([pattern])), np.ones(1), DBN.parameters, (0.0, (0.5, 0.5)))
    assert value == pytest.approx(np.log(chance[tuple(pattern)]))
    for new, old, (yes, asked) in (
        (updated[0], ALPHA, expected[:3, :2].T),
        (updated[1], SATISFACTION, expected[:3, 2:].T),
    ):
        shares = np.divide(yes, asked, out=old.copy(), where=asked > 1e-12)
        # The last position's satisfaction leaves no trace: it is not asked for there.
        np.testing.assert_allclose(new, shares, atol=1e-12)
    went_on, could = expected[3, :2]
    assert updated[2] == pytest.approx(went_on / could if could else 0.8)


def test_likelihood_never_falls_over_em_steps(rng: np.random.Generator) -> None:
    items = rng.permuted(np.tile(np.arange(6), (400, 1)), axis=1)[:, :4]
    truth = Chain("dbn", rng.uniform(0.1, 0.7, 6), rng.uniform(0.1, 0.9, 6), 0.8)
    sessions = draw_clicks(truth, items, 6, rng)
    for strength in (0.0, 2.0):
        parameters, values = (np.full(6, 0.5), np.full(6, 0.5), 0.5), []
        for _ in range(60):
            parameters, value = em_step(sessions, np.ones(400), parameters, (strength, (0.3, 0.5)))
            values.append(value)
        assert (np.diff(values) >= -1e-9).all()


def test_the_dbn_is_recovered_from_its_own_sessions(rng: np.random.Generator) -> None:
    # 60,000 sessions of 4 of 5 items: each item is looked at ≥ 15,000 times; α to ±.005 (sd), s over ≥ 1,500
    # clicks whose satisfaction is half hidden to ±.03, λ to ±.01. Bounds are > 4 sd.
    items = rng.permuted(np.tile(np.arange(5), (60_000, 1)), axis=1)[:, :4]
    truth = Chain("dbn", rng.uniform(0.2, 0.6, 5), rng.uniform(0.2, 0.8, 5), 0.85)
    model = fit_dbn(draw_clicks(truth, items, 5, rng), np.ones(60_000))
    assert model.converged
    np.testing.assert_allclose(model.attractiveness, truth.attractiveness, atol=0.02)
    np.testing.assert_allclose(model.satisfaction, truth.satisfaction, atol=0.12)
    assert model.perseverance == pytest.approx(0.85, abs=0.04)


def test_the_cascade_counts_down_to_the_first_click(short_sessions: Sessions) -> None:
    # Looked at: 0 | 2, 1 | 1 | 1, 0. Item 0: 2 of 2, item 1: 1 of 3, item 2: 0 of 1.
    model = fit_cascade(short_sessions, np.ones(4))
    np.testing.assert_allclose(model.attractiveness, [1, 1 / 3, 0])
    assert evaluate(model, short_sessions).log_likelihood == -np.inf  # the first session has two clicks


def test_the_simplified_dbn_counts_down_to_the_last_click(short_sessions: Sessions) -> None:
    # Looked at: 0, 1, 2 | 2, 1 | 1 | 1, 0. Clicks: 0 and 2 | none | 1 | 0; last: 2, 1, 0.
    model = fit_simplified_dbn(short_sessions, np.ones(4))
    np.testing.assert_allclose(model.attractiveness, [1, 1 / 4, 1 / 2])
    np.testing.assert_allclose(model.satisfaction, [1 / 2, 1, 1])
    assert model.perseverance == 1.0


@pytest.mark.parametrize("fit", [fit_cascade, fit_simplified_dbn, fit_dbn])
def test_a_session_of_weight_two_is_two_sessions(fit: object, short_sessions: Sessions) -> None:
    twice = short_sessions.rows(np.array([0, 1, 2, 3, 3]))
    a = fit(short_sessions, np.array([1.0, 1, 1, 2]), prior_impressions=1.0)  # type: ignore[operator]
    b = fit(twice, np.ones(5), prior_impressions=1.0)  # type: ignore[operator]
    np.testing.assert_allclose(a.attractiveness, b.attractiveness, rtol=1e-9)
    np.testing.assert_allclose(a.satisfaction, b.satisfaction, rtol=1e-9)


def test_items_never_seen_get_the_mean(short_sessions: Sessions) -> None:
    known = Sessions(short_sessions.items, short_sessions.clicks, 4)
    model = fit_simplified_dbn(known, np.ones(4))
    assert model.attractiveness[3] == pytest.approx(4 / 8)
