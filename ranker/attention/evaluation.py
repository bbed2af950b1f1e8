"""How well a click model predicts sessions that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.attention.click_log import Sessions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.attention.protocol import ClickModel

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The fit of a click model to sessions; infinite where it excludes what happened."""

    log_likelihood: float  # mean over sessions, nats
    perplexity: float  # mean over positions; 1 is perfect, 2 a coin
    perplexity_by_position: Floats  # (k,)
    conditional_perplexity: float  # the same from P(click | clicks above)


def evaluate(model: ClickModel, sessions: Sessions) -> Evaluation:
    """Returns likelihood and perplexities of the sessions under the model.

    With q_sj the probability of what happened at position j of session s, the perplexity of j is
    2^(−meanₛ log₂ q_sj); its q is that of `click_probabilities`, the log-likelihood Σ_j log q_sj and the
    conditional perplexity take q given the clicks above.
    Source: Dupret and Piwowarski (2008), "A user browsing model to predict search engine click data"
    (perplexity); Grotov et al. (2015), "A comparative study of click models for web search".
    """
    marginal = _log_probability(model.click_probabilities(sessions.items), sessions)
    conditional = _log_probability(model.conditional_click_probabilities(sessions), sessions)
    by_position = _perplexity(marginal, sessions)
    return Evaluation(
        float(conditional.sum() / len(sessions.items)),
        float(by_position.mean()),
        by_position,
        float(_perplexity(conditional, sessions).mean()),
    )


def draw_clicks(model: ClickModel, items: Ints, num_items: int, rng: np.random.Generator) -> Sessions:
    """Returns the sessions (s, k) of users who behave as the model says."""
    clicks = np.zeros(items.shape, np.bool_)
    uniform = rng.random(items.shape)
    for j in range(items.shape[1]):
        above = Sessions(items, clicks, num_items)
        clicks[:, j] = uniform[:, j] < model.conditional_click_probabilities(above)[:, j]
    return Sessions(items, clicks, num_items)


def _log_probability(probability: Floats, sessions: Sessions) -> Floats:
    """Returns (s, k): log P(what happened), 0 where no item is shown."""
    happened = np.where(sessions.clicks, probability, 1 - probability)
    result = np.full(happened.shape, -np.inf)
    np.log(happened, out=result, where=happened > 0)
    result[~sessions.shown] = 0.0
    return result


def _perplexity(log_probability: Floats, sessions: Sessions) -> Floats:
    by_position: Floats = np.exp(-log_probability.sum(axis=0) / np.maximum(sessions.shown.sum(axis=0), 1))
    return by_position
