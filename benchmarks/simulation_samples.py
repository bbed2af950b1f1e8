"""Rows of held-out logs beside rows that the simulated world gives in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit

from benchmarks.attention_yandex import hashed_part, read_sessions
from benchmarks.simulation_data import SEGMENTS, halves, read_avazu, read_criteo
from benchmarks.simulation_fit import DRIFT_TRAIN_DAYS, HELD_OUT_SEED
from ranker.attention.cascade import fit_cascade
from ranker.attention.dbn import fit_dbn
from ranker.simulation.examination import DRAWS, Chain, PositionBased
from ranker.simulation.scenario import Behaviour, LivePolicy, MarketSettings, Scenario, Traffic
from ranker.simulation.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.simulation_data import Impressions
    from ranker.attention.click_log import Sessions
    from ranker.simulation.examination import Examination
    from ranker.simulation.parameters import WorldParameters

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

AD_ROWS = 20  # impressions of an ad whose click rate is compared
STEP_ROWS = 30  # impressions of a campaign on a day


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """The same columns by name: unseen rows of a log, simulated rows, and the rows that the fit has seen."""

    unseen: dict[str, Any]
    simulated: dict[str, Any]
    seen: dict[str, Any]


def visitors(data: Path, parameters: WorldParameters, seed: int) -> Samples:
    """Returns Avazu's impressions: segment, hour, ad and click of each."""
    rows = read_avazu(data)
    held = halves(len(rows.click), HELD_OUT_SEED)
    unseen, seen = rows.rows(held), rows.rows(~held)
    n, ads = len(unseen.click), len(np.unique(unseen.ad))
    scenario = Scenario(
        "avazu",
        (LivePolicy("none"),),
        seed=seed,
        traffic=Traffic(n, n, n, users=10 * n, continues=0.0),
        market=MarketSettings(ads=ads, advertisers=1, candidates=1, positions=1),
        behaviour=Behaviour(ad_fatigue=0.0, session_fatigue=0.0),
    )
    world = World.of(scenario, parameters)
    requests = world.requests(0, world.start())
    u = world.streams.uniforms("click", requests.visits.number, DRAWS)
    _, clicked = world.examination.clicks(requests.ctr, u)
    made = {
        "segment": requests.visits.segment,
        "hour": requests.visits.hour,
        "click": clicked[:, 0].astype(np.int64),
        "ad share": _popularity(requests.offers.ads[:, 0]),
    }
    # What users like is compared on the ads of the log itself: their numbers of rows decide the noise.
    clicks = _clicks_on(unseen, parameters, np.random.default_rng(seed))
    return Samples(
        _columns(unseen) | {"ad rate": _ad_rates(unseen.ad, unseen.click)},
        made | {"ad rate": _ad_rates(unseen.ad, clicks)},
        _columns(seen) | {"ad rate": _ad_rates(seen.ad, seen.click)},
    )


def _columns(rows: Impressions) -> dict[str, Any]:
    return {
        "segment": rows.segment,
        "hour": rows.hour,
        "click": rows.click.astype(np.int64),
        "ad share": _popularity(rows.ad),
    }


def _popularity(ad: Ints) -> Floats:
    """Returns the share of all rows that each row's ad has `(n,)`."""
    shares: Floats = np.bincount(ad)[ad] / len(ad)
    return shares


def _ad_rates(ad: Ints, click: Floats) -> Floats:
    count = np.bincount(ad)
    kept = count >= AD_ROWS
    rates: Floats = (np.bincount(ad, click)[kept] / count[kept]).astype(np.float64)
    return rates


def _clicks_on(rows: Impressions, parameters: WorldParameters, rng: np.random.Generator) -> Floats:
    tastes, ads = parameters.tastes, int(rows.ad.max()) + 1
    ad = rng.standard_normal(ads) * tastes.ad_scale
    both = rng.standard_normal((ads, len(SEGMENTS))) * tastes.segment_ad_scale
    effect = np.array(parameters.segments.logits)[rows.segment] + ad[rows.ad] + both[rows.ad, rows.segment]
    clicks: Floats = (rng.random(len(rows.ad)) < expit(tastes.base_logit + effect)).astype(np.float64)
    return clicks


def drift(data: Path, parameters: WorldParameters, seed: int) -> Samples:
    """Returns Criteo's campaigns: steps of the click logit between two days over their noise."""
    campaign, day, click = read_criteo(data)
    rng = np.random.default_rng(seed)
    late = day >= DRIFT_TRAIN_DAYS
    counts, clicks = _by_day(campaign[late], day[late] - DRIFT_TRAIN_DAYS, click[late])
    base = logit((clicks.sum(axis=1) + 0.5) / (counts.sum(axis=1) + 1.0))[:, None]
    walk = rng.standard_normal(counts.shape).cumsum(axis=1) * parameters.tastes.daily_drift_scale
    walk -= walk.mean(axis=1, keepdims=True)
    simulated = rng.binomial(counts.astype(np.int64), expit(base + walk)).astype(np.float64)
    early = _by_day(campaign[~late], day[~late], click[~late])
    return Samples(
        {"step": _steps(counts, clicks)}, {"step": _steps(counts, simulated)}, {"step": _steps(*early)}
    )


def _by_day(campaign: Ints, day: Ints, click: Floats) -> tuple[Floats, Floats]:
    """Returns impressions and clicks `(campaigns, days)`."""
    days = int(day.max()) + 1
    cell, size = campaign * days + day, (int(campaign.max()) + 1) * days
    count, clicked = np.bincount(cell, minlength=size), np.bincount(cell, click, size)
    return count.reshape(-1, days).astype(np.float64), clicked.reshape(-1, days).astype(np.float64)


def _steps(counts: Floats, clicks: Floats) -> Floats:
    """Returns (l_d − l_{d−1}) / √(v_d + v_{d−1}) where both days have enough rows, half a click added."""
    usable = counts >= STEP_ROWS
    rate = (clicks + 0.5) / (counts + 1.0)
    noise = 1.0 / np.maximum((counts + 1.0) * rate * (1.0 - rate), 1e-9)
    both = usable[:, 1:] & usable[:, :-1]
    steps: Floats = (np.diff(logit(rate), axis=1) / np.sqrt(noise[:, 1:] + noise[:, :-1]))[both]
    return steps


def readers(data: Path, parameters: WorldParameters, seed: int) -> dict[str, Samples]:
    """Returns the clicks `(s, 10)` of unseen Yandex sessions, and of simulated ones on the same documents.

    A document's attractiveness is estimated from the seen sessions under the users' own model.
    """
    sessions = read_sessions(data / "yandex_click_sessions")
    held = hashed_part(len(sessions.items), HELD_OUT_SEED, 1 / 3)
    unseen, seen = sessions.rows(held), sessions.rows(~held)
    fit = parameters.attention
    curve = np.array(fit.curve)
    ones = np.ones(len(seen.items))
    dbn = fit_dbn(seen, ones, prior_impressions=1.0).attractiveness
    cascade = fit_cascade(seen, ones, prior_impressions=1.0).attractiveness
    users: dict[str, tuple[Examination, Floats]] = {
        "position-based": (PositionBased(curve), _rates(seen, curve)),
        "cascade": (Chain(1.0, 1.0), cascade),
        "DBN": (Chain(fit.satisfaction, fit.perseverance), dbn),
    }
    found = {}
    for name, (examination, ctr) in users.items():
        u = np.random.default_rng(seed).random((len(unseen.items), DRAWS * unseen.items.shape[1]))
        _, clicks = examination.clicks(ctr[unseen.items], u)
        found[name] = Samples({"clicks": unseen.clicks}, {"clicks": clicks}, {"clicks": seen.clicks})
    return found


def _rates(seen: Sessions, curve: Floats) -> Floats:
    clicks = np.bincount(seen.items.ravel(), seen.clicks.ravel(), seen.num_items)
    looks = np.bincount(seen.items.ravel(), np.broadcast_to(curve, seen.items.shape).ravel(), seen.num_items)
    ctr: Floats = np.minimum((clicks + clicks.sum() / looks.sum()) / (looks + 1.0), 1.0)
    return ctr
