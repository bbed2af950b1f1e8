"""Fits the world that ships to public logs, without the rows that `benchmarks.simulation_fidelity` holds out.

python -m benchmarks.simulation_fit --data FOLDER --out ranker/simulation/fitted/world-1.json
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logit

from benchmarks.attention_yandex import hashed_part, read_sessions
from benchmarks.simulation_data import (
    SEGMENTS,
    halves,
    read_avazu,
    read_criteo,
    read_delays,
    read_histograms,
)
from ranker.attention.click_log import to_log
from ranker.attention.dbn import fit_dbn
from ranker.attention.fitting import AttentionOptions, fit_attention
from ranker.simulation.fitting import (
    daily_drift_scale,
    expected_clicks,
    fit_delays,
    fit_landscape,
    group_logit_scale,
    shrunk_logits,
)
from ranker.simulation.parameters import (
    FORMAT,
    HOURS,
    AttentionFit,
    Season,
    Segments,
    Tastes,
    WorldParameters,
)

if TYPE_CHECKING:
    from benchmarks.simulation_data import Impressions

HELD_OUT_SEED = 5  # the same rows stay unseen by the fit and judge it
DELAY_TRAIN = 2 / 3
DRIFT_TRAIN_DAYS = 20
SOURCES = {
    "segments, season, tastes": "Avazu CTR (Kaggle 2014), 15,000 impressions",
    "drift": "Criteo attribution, 1 % sample, 20 of 30 days",
    "attention": "Yandex relevance prediction challenge, sample of sessions",
    "delays": "TalkingData AdTracking, 100,000 clicks with 227 installs",
    "landscapes": "iPinYou, market prices of the training periods",
}


def fit_world(data: Path) -> WorldParameters:
    seen = read_avazu(data)
    seen = seen.rows(~halves(len(seen.click), HELD_OUT_SEED))
    rate = float(seen.click.mean())
    segment_logits, _ = shrunk_logits(seen.segment, seen.click, len(SEGMENTS))
    hour_logits, _ = shrunk_logits(seen.hour, seen.click, HOURS)
    shares = np.bincount(seen.segment, minlength=len(SEGMENTS)) / len(seen.segment)
    volume = (np.bincount(seen.hour, minlength=HOURS) + 1.0) / (len(seen.hour) + HOURS)
    campaign, day, click = read_criteo(data)
    early = day < DRIFT_TRAIN_DAYS
    delays = read_delays(data)
    prices = np.arange(301)
    return WorldParameters(
        format=FORMAT,
        segments=Segments(SEGMENTS, _rounded(shares, 12), _rounded(segment_logits)),
        season=Season(_rounded(volume, 12), _rounded(hour_logits)),
        tastes=_tastes(
            seen, rate, segment_logits, daily_drift_scale(campaign[early], day[early], click[early])
        ),
        attention=_attention(data),
        delays=fit_delays(delays[: int(DELAY_TRAIN * len(delays))]),
        landscapes=tuple(fit_landscape(n, prices, counts) for n, counts in read_histograms(data).items()),
        sources=SOURCES,
    )


def _tastes(seen: Impressions, rate: float, segment_logits: Any, drift: float) -> Tastes:
    residual = seen.click - expected_clicks(rate, segment_logits[seen.segment])
    ad_scale = group_logit_scale(seen.ad, residual, rate)
    both = seen.ad * len(SEGMENTS) + seen.segment
    within = group_logit_scale(np.unique(both, return_inverse=True)[1], residual, rate)
    interaction = float(np.sqrt(max(within**2 - ad_scale**2, 0.0)))
    return Tastes(float(logit(rate)), round(ad_scale, 6), round(interaction, 6), round(drift, 6))


def _attention(data: Path) -> AttentionFit:
    sessions = read_sessions(data / "yandex_click_sessions")
    sessions = sessions.rows(~hashed_part(len(sessions.items), HELD_OUT_SEED, 1 / 3))
    curve = fit_attention(to_log(sessions), AttentionOptions()).curve
    chain = fit_dbn(sessions, np.ones(len(sessions.items)), prior_impressions=1.0)
    clicks = sessions.clicks.sum()
    satisfied = float((chain.satisfaction[sessions.items] * sessions.clicks).sum() / clicks)
    return AttentionFit(
        _rounded(curve.attention), _rounded(curve.low), _rounded(curve.high),
        round(chain.perseverance, 6), round(satisfied, 6),
    )  # fmt: skip


def _rounded(values: Any, digits: int = 6) -> tuple[float, ...]:
    return tuple(np.round(values, digits).tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public logs")
    parser.add_argument("--out", type=Path, required=True, help="the parameters, JSON")
    arguments = parser.parse_args()
    parameters = fit_world(arguments.data)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(asdict(parameters), indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"benchmark": "simulation_fit", "out": str(arguments.out), **asdict(parameters.tastes)}))


if __name__ == "__main__":
    main()
