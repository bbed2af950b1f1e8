"""The rival of `benchmarks.attention`: the click models of clax, trained and judged on the same split.

    pip install clax-models==0.1.1 jax==0.7.2 jaxlib==0.7.2 optax==0.2.5    (an environment of its own)
    python benchmarks/attention_clax.py split.npz > clax.json

Newer versions of jax lack what clax's flax imports. Trained as its documentation shows: AdamW at 0.003, early
stopping on a tenth of the training sessions.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np

# The rival's environment has these, ours does not.
from clax.models import (  # type: ignore[import-not-found]
    CascadeModel,
    DynamicBayesianNetwork,
    PositionBasedModel,
)
from clax.trainer import Trainer  # type: ignore[import-not-found]
from flax import nnx  # type: ignore[import-not-found]
from optax import adamw  # type: ignore[import-not-found]

BATCH_SIZE = 512


class Batches:
    """Iterates over sessions in batches, in a new order each time where an order is drawn."""

    def __init__(self, items: Any, clicks: Any, rng: np.random.Generator | None) -> None:
        self.items, self.clicks, self.rng = items, clicks, rng

    def __len__(self) -> int:
        """Returns the number of batches."""
        return -(-len(self.items) // BATCH_SIZE)

    def __iter__(self) -> Any:
        """Yields the dictionaries that clax reads."""
        rows = np.arange(len(self.items)) if self.rng is None else self.rng.permutation(len(self.items))
        k = self.items.shape[1]
        for first in range(0, len(rows), BATCH_SIZE):
            part = rows[first : first + BATCH_SIZE]
            yield {
                "query_doc_ids": self.items[part],
                "positions": np.tile(np.arange(k), (len(part), 1)),
                "clicks": self.clicks[part].astype(np.float32),
                "mask": np.ones((len(part), k), bool),
            }


def main() -> None:
    split = np.load(sys.argv[1])
    items, clicks, in_test = split["items"], split["clicks"], split["in_test"]
    num_items, k = int(items.max()) + 1, items.shape[1]
    rng = np.random.default_rng(0)
    train = rng.permutation(np.flatnonzero(~in_test))
    validation, train = train[: len(train) // 10], train[len(train) // 10 :]
    models = {
        "pbm": PositionBasedModel(positions=k, query_doc_pairs=num_items, rngs=nnx.Rngs(42)),
        "cascade": CascadeModel(query_doc_pairs=num_items, rngs=nnx.Rngs(42)),
        "sdbn": DynamicBayesianNetwork(query_doc_pairs=num_items, fix_continuation=True, rngs=nnx.Rngs(42)),
        "dbn": DynamicBayesianNetwork(query_doc_pairs=num_items, rngs=nnx.Rngs(42)),
    }
    results: dict[str, Any] = {"library": f"clax-models {version('clax-models')}"}
    for name, model in models.items():
        trainer = Trainer(optimizer=adamw(0.003), epochs=50)
        started = time.perf_counter()
        with contextlib.redirect_stdout(sys.stderr):  # it draws tables
            trainer.train(
                model,
                Batches(items[train], clicks[train], rng),
                Batches(items[validation], clicks[validation], None),
            )
            elapsed = time.perf_counter() - started
            found = trainer.test_clicks(model, Batches(items[in_test], clicks[in_test], None)).iloc[0]
        results[name] = {
            "perplexity": round(float(found["test_ppl"]), 4),
            "conditional_perplexity": round(float(found["test_cond_ppl"]), 4),
            "log_likelihood_per_session": round(float(found["test_ll"]) * k, 4),
            "fit_seconds": round(elapsed, 1),
        }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
