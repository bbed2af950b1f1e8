"""Is the true attention curve found, and do the click models predict sessions they have not seen?

    python -m benchmarks.attention --data FOLDER [--split split.npz] [--rival clax.json]

FOLDER holds the Yandex click sessions (`benchmarks/attention_yandex.py`). `--split` writes the split for the
rival, `benchmarks/attention_clax.py`, whose answer `--rival` puts beside ours. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.attention_world import (
    BATCH,
    default_world,
    randomised,
    static,
    thompson_one_posterior,
    thompson_ranked,
)
from benchmarks.attention_yandex import hashed_part, read_sessions
from ranker.attention.cascade import fit_cascade
from ranker.attention.click_log import to_log
from ranker.attention.dbn import fit_dbn
from ranker.attention.evaluation import evaluate
from ranker.attention.fitting import AttentionOptions, fit_attention
from ranker.attention.identification import NotIdentifiedError
from ranker.attention.method import Method
from ranker.attention.position_based import FitSettings, fit_position_based
from ranker.attention.simplified_dbn import fit_simplified_dbn

if TYPE_CHECKING:
    from benchmarks.attention_world import Policy
    from ranker.attention.click_log import ClickLog, Sessions
    from ranker.attention.protocol import ClickModel

NUM_SESSIONS = 200_000  # of six positions: 1.2 million rows
TEN_VERSIONS = NUM_SESSIONS // 10
TARGET = 0.005
POLICIES: dict[str, Policy] = {
    "randomised": randomised,
    "thompson_one_posterior": thompson_one_posterior,
    "thompson_10_versions": lambda w, n, rng: thompson_ranked(w, n, rng, TEN_VERSIONS),
    "thompson_100_versions": thompson_ranked,
    "static": static,
}
BATCHES = {"thompson_10_versions": TEN_VERSIONS, "thompson_100_versions": BATCH}


def recover(policy: str, click_rates: tuple[float, float], num_seeds: int) -> dict[str, Any]:
    """Returns mean absolute errors over the seeds, the share of intervals that hold, and seconds."""
    errors: dict[str, list[float]] = {}
    held: dict[str, list[float]] = {}
    seconds = []
    for seed in range(num_seeds):
        rng = np.random.default_rng(seed)
        world = default_world(rng, *click_rates)
        log = to_log(POLICIES[policy](world, NUM_SESSIONS, rng))
        rates = np.bincount(log.position[log.click]) / np.bincount(log.position)
        errors.setdefault("naive_ratio", []).append(_error(rates / rates[0], world.attention))
        variants = {method.value: log for method in (Method.HARVEST, Method.CHAIN, Method.PBM)}
        if policy in BATCHES:
            version = log.session // BATCHES[policy]
            variants |= {f"{name}_by_version": replace(log, version=version) for name in ("harvest", "pbm")}
        for name, rows in variants.items():
            started = time.perf_counter()
            curve = _fitted(name, rows)
            seconds.append(time.perf_counter() - started)
            if curve is None:
                errors.setdefault(name, []).append(float("nan"))
                continue
            errors.setdefault(name, []).append(_error(curve.attention, world.attention))
            inside = (curve.low <= world.attention) & (world.attention <= curve.high)
            held.setdefault(name, []).append(float(inside[1:].mean()))
    return {
        "policy": policy,
        "attractiveness": list(click_rates),
        "error": {name: _summary(values) for name, values in errors.items()},
        "intervals_that_hold": {name: round(float(np.mean(values)), 3) for name, values in held.items()},
        "fit_seconds_median": round(float(np.median(seconds)), 3),
    }


def _fitted(name: str, log: ClickLog) -> Any:
    options = AttentionOptions(method=Method(name.removesuffix("_by_version")), isotonic=False)
    try:
        return fit_attention(log, options).curve
    except NotIdentifiedError:
        return None


def _error(found: Any, truth: Any) -> float:
    return float(np.abs(found - truth).mean())


def _summary(values: list[float]) -> Any:
    if np.isnan(values).all():
        return "not identifiable"
    return {"mean": round(float(np.mean(values)), 4), "worst": round(float(np.max(values)), 4)}


def held_out(train: Sessions, test: Sessions) -> dict[str, Any]:
    """Returns the fit to `test` of every model trained on `train`, with one impression of prior an item."""
    weights = np.ones(len(train.items))
    settings = FitSettings(prior_impressions=1.0)
    results = {}
    fits: dict[str, Any] = {
        "pbm": lambda: fit_position_based(to_log(train), settings, num_items=train.num_items),
        "cascade": lambda: fit_cascade(train, weights, prior_impressions=1.0),
        "sdbn": lambda: fit_simplified_dbn(train, weights, prior_impressions=1.0),
        "dbn": lambda: fit_dbn(train, weights, prior_impressions=1.0),
    }
    for name, fit in fits.items():
        fit()  # compiled, so that the time below is the fit's
        started = time.perf_counter()
        model: ClickModel = fit()
        elapsed = time.perf_counter() - started
        found = evaluate(model, test)
        finite = np.isfinite(found.log_likelihood)
        results[name] = {
            "perplexity": round(found.perplexity, 4),
            "conditional_perplexity": round(found.conditional_perplexity, 4) if finite else None,
            "log_likelihood_per_session": round(found.log_likelihood, 4) if finite else None,
            "perplexity_by_position": [round(float(p), 4) for p in found.perplexity_by_position],
            "fit_seconds": round(elapsed, 3),
        }
    return results


def machine() -> str:
    """Returns processor, cores and interpreter."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> None:
    """Prints one line a question, then the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the Yandex sessions")
    parser.add_argument("--seed", type=int, default=0, help="of the split")
    parser.add_argument("--num-worlds", type=int, default=10, help="simulated worlds a policy")
    parser.add_argument("--split", type=Path, help="write the split here, for the rival")
    parser.add_argument("--rival", type=Path, help="JSON that the rival printed")
    arguments = parser.parse_args()
    sessions = read_sessions(arguments.data)
    in_test = hashed_part(len(sessions.items), arguments.seed, 0.25)
    train, test = sessions.rows(~in_test), sessions.rows(in_test)
    if arguments.split:
        np.savez(arguments.split, items=sessions.items, clicks=sessions.clicks, in_test=in_test)
    models = held_out(train, test)
    for name, result in models.items():
        print(f"{name:24} held-out perplexity {result['perplexity']:.4f}")
    curve = fit_attention(to_log(train), AttentionOptions(isotonic=False)).curve
    recovered = []
    for policy in POLICIES:
        for click_rates in ((0.05, 0.5), (0.005, 0.05)):
            recovered.append(recover(policy, click_rates, arguments.num_worlds))
            print(f"{policy:24} {click_rates}: {recovered[-1]['error']}")
    summary = {
        "benchmark": "attention",
        "sessions": {"train": len(train.items), "test": len(test.items)},
        "held_out": models,
        "yandex_curve": {n: np.round(getattr(curve, n), 3).tolist() for n in ("attention", "low", "high")},
        "rival": json.loads(arguments.rival.read_text()) if arguments.rival else None,
        "simulated_rows": NUM_SESSIONS * 6,
        "target_error": TARGET,
        "recovered": recovered,
        "machine": machine(),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
