from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.attention_world import BATCH, World, randomised, static, thompson_ranked
from ranker.attention.chain import Chain
from ranker.attention.click_log import ClickLog, Sessions, to_log
from ranker.attention.evaluation import draw_clicks
from ranker.attention.fitting import AttentionOptions, fit_attention
from ranker.attention.identification import NotIdentifiedError
from ranker.attention.method import Method
from ranker.errors import InvalidInputError

TRUTH = np.array([1.0, 0.6, 0.3])


@pytest.fixture(scope="module")
def shuffled() -> ClickLog:
    rng = np.random.default_rng(21)
    return to_log(randomised(World(TRUTH, rng.uniform(0.2, 0.5, (4, 5))), 8000, rng))


@pytest.mark.parametrize("method", [Method.PBM, Method.HARVEST, Method.CHAIN, Method.RANDOMISED])
def test_every_method_that_compares_positions_finds_the_curve(shuffled: ClickLog, method: Method) -> None:
    # ≥ 800 clicks a position: sd(log a) ≤ √(1/800 + 1/2800) = .04; 4.5 sd.
    log = replace(shuffled, randomised=np.ones(len(shuffled.session), bool))
    file = fit_attention(log, AttentionOptions(method=method))
    assert (np.abs(np.log(file.curve.attention / TRUTH)) <= 4.5 * 0.04).all()
    assert file.interval == "delta method"
    assert file.num_sessions == 8000


@pytest.mark.parametrize("method", [Method.CASCADE, Method.SDBN, Method.DBN])
def test_session_models_give_the_mean_chance_of_being_looked_at(
    method: Method, rng: np.random.Generator
) -> None:
    # Items alike (α = .4, s = 1): e = 1, .6, .36 under the cascade, which all three contain.
    truth = Chain("cascade", np.full(4, 0.4), np.ones(4), 1.0)
    items = rng.permuted(np.tile(np.arange(4), (6000, 1)), axis=1)[:, :3]
    log = to_log(draw_clicks(truth, items, 4, rng))
    file = fit_attention(log, AttentionOptions(method=method, num_resamples=20))
    # sd(α̂) ≤ √(.24/6000) = .0063, e₂ = (1 − α)²: sd .0076; 6 sd, for the DBN spends some of it on λ.
    np.testing.assert_allclose(file.curve.attention, [1, 0.6, 0.36], atol=0.046)
    assert (file.curve.low[1:] < file.curve.high[1:]).all()
    assert "rests on the model's form" in file.notes[0]


def test_bootstrap_intervals_cover_the_truth(rng: np.random.Generator) -> None:
    # 100 logs × 2 positions, coverage .95: sd ≤ √(.95·.05/100) = .022; percentiles of 60 resamples reach only
    # about .93: .93 − 4·.025.
    truth = Chain("sdbn", np.full(4, 0.4), np.full(4, 0.99), 1.0)
    exact = truth.examination(np.arange(3)[None])[0]
    inside = []
    for _ in range(100):
        items = rng.permuted(np.tile(np.arange(4), (400, 1)), axis=1)[:, :3]
        log = to_log(draw_clicks(truth, items, 4, rng))
        options = AttentionOptions(method=Method.SDBN, num_resamples=60, isotonic=False)
        curve = fit_attention(log, options).curve
        inside.append((curve.low <= exact)[1:] & (exact <= curve.high)[1:])
    assert np.mean(inside) > 0.83


def test_contexts_get_curves_of_their_own_and_a_static_one_says_why_not(rng: np.random.Generator) -> None:
    queries = rng.uniform(0.2, 0.5, (4, 5))
    phone, desk = World(np.array([1.0, 0.4, 0.2]), queries), World(np.array([1.0, 0.8, 0.7]), queries)
    parts = [to_log(randomised(phone, 4000, rng)), to_log(randomised(desk, 4000, rng))]
    parts.append(to_log(static(desk, 1000, rng)))
    log = ClickLog(
        np.concatenate([part.session + 10_000 * i for i, part in enumerate(parts)]),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("position", "item", "click")),
        context=np.repeat(np.arange(3), [len(part.session) for part in parts]),
        context_names=("device=phone", "device=desk", "device=tv"),
    )
    said: list[str] = []
    file = fit_attention(log, AttentionOptions(), lambda _done, _total, text: said.append(text))
    np.testing.assert_allclose(file.attention(3, "device=phone"), [1, 0.4, 0.2], rtol=0.25)
    np.testing.assert_allclose(file.attention(3, "device=desk"), [1, 0.8, 0.7], rtol=0.25)
    assert file.not_identified["device=tv"].startswith("log.position = '0 | 1 | 2': not identifiable")
    with pytest.raises(InvalidInputError, match=r"device=tv.*has no curve: log\.position"):
        file.attention(3, "device=tv")
    assert said == ["all rows", "device=phone", "device=desk", "device=tv"]


def test_a_log_that_names_the_rankers_versions_is_compared_within_them(rng: np.random.Generator) -> None:
    # sd(log a) is under .06 by the interval; the plain answer is off by more than its whole interval.
    world = World(np.array([1.0, 0.7, 0.5, 0.4]), rng.uniform(0.05, 0.5, (20, 6)))
    log = to_log(thompson_ranked(world, 60_000, rng))
    fair = fit_attention(replace(log, version=log.session // BATCH), AttentionOptions()).curve
    deviation = np.log(fair.high / fair.low)[1:] / (2 * 1.959964)
    assert (np.abs(np.log(fair.attention / world.attention))[1:] < 4.5 * deviation).all()
    plain = fit_attention(log, AttentionOptions()).curve
    assert (plain.low > world.attention)[1:].any()


def test_a_static_log_has_no_answer_but_a_reason(rng: np.random.Generator) -> None:
    log = to_log(static(World(TRUTH, rng.uniform(0.2, 0.5, (4, 5))), 4000, rng))
    for method in (Method.PBM, Method.HARVEST, Method.CHAIN):
        with pytest.raises(NotIdentifiedError, match="not identifiable"):
            fit_attention(log, AttentionOptions(method=method))


def test_thin_positions_are_noted() -> None:
    few = to_log(randomised(World(TRUTH, np.full((1, 3), 0.5)), 60, np.random.default_rng(2)))
    notes = fit_attention(few, AttentionOptions()).notes
    assert any("too few clicks for a sharp answer at positions" in note for note in notes)


def test_the_randomised_method_wants_to_know_which_rows_were_shuffled(shuffled: ClickLog) -> None:
    with pytest.raises(InvalidInputError, match="needs a column that is true where slates were shuffled"):
        fit_attention(shuffled, AttentionOptions(method=Method.RANDOMISED))


def test_a_rising_curve_is_refused_unless_it_may_be_projected(rng: np.random.Generator) -> None:
    log = to_log(randomised(World(np.array([0.5, 1.0]), rng.uniform(0.2, 0.5, (2, 3))), 4000, rng))
    np.testing.assert_array_equal(fit_attention(log, AttentionOptions()).attention(2), [1, 1])
    with pytest.raises(
        InvalidInputError, match=r"curve.attention\[1\] = .* fit with the isotonic projection"
    ):
        fit_attention(log, AttentionOptions(isotonic=False))


def test_the_same_log_gives_the_same_file_whatever_the_order_of_its_rows(shuffled: ClickLog) -> None:
    order = np.random.default_rng(1).permutation(len(shuffled.session))
    other = ClickLog(*(getattr(shuffled, n)[order] for n in ("session", "position", "item", "click")))
    options = AttentionOptions(method=Method.PBM)
    assert fit_attention(shuffled, options).version == fit_attention(other, options).version


def test_a_method_may_be_given_by_its_name(shuffled: ClickLog) -> None:
    named = AttentionOptions(method="pbm")  # type: ignore[arg-type]
    assert (
        fit_attention(shuffled, named).version
        == fit_attention(shuffled, AttentionOptions(Method.PBM)).version
    )


def test_codes_may_be_of_any_size(shuffled: ClickLog) -> None:
    rows = len(shuffled.item)
    plain = replace(shuffled, version=np.arange(rows) % 2)
    far = replace(shuffled, item=2**62 - shuffled.item, version=np.where(plain.version == 1, 2**62, 2**61))
    curves = [fit_attention(log, AttentionOptions()).curve.attention for log in (plain, far)]
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"level": 1.0}, "options.level = 1.0: must lie between 0 and 1"),
        ({"method": "guess"}, "options.method = 'guess': must be one of pbm, harvest, "),
        ({"num_resamples": 3}, "options.num_resamples = 3: must be at least 20"),
    ],
)
def test_wrong_options_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        AttentionOptions(**wrong)


def test_short_slates_are_averaged_over_the_sessions_that_show_a_position() -> None:
    items = np.array([[0, 1], [0, -1], [0, 1], [1, 0]])
    clicks = np.array([[1, 0], [0, 0], [0, 1], [0, 0]], bool)
    log = to_log(Sessions(items, clicks, 2))
    curve = fit_attention(log, AttentionOptions(method=Method.CASCADE, num_resamples=20)).curve
    # α₀ = 1/4, α₁ = 1/2: e₁ = 3/4, 3/4, 1/2 over the three sessions with two items.
    np.testing.assert_allclose(curve.attention[1], (0.75 + 0.75 + 0.5) / 3)
