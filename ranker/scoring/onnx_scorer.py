"""Scores candidates with an exported network, by onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

from ranker.errors import InvalidInputError, NotFoundError, StateError
from ranker.scoring.card import MODEL_FILE, model_version, read_card
from ranker.scoring.rows import assemble_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ranker.scoring.card import Card
    from ranker.scoring.schema import FeatureSchema

_INPUTS: Final = {"numeric": "tensor(float)", "categorical": "tensor(int64)"}
_OUTPUTS: Final = {"ctr": "tensor(float)"}
# onnxruntime's exceptions have no class of their own in common.
_LOAD_ERRORS: Final = (
    runtime_errors.Fail,
    runtime_errors.InvalidArgument,
    runtime_errors.InvalidGraph,
    runtime_errors.InvalidProtobuf,
    runtime_errors.NotImplemented,
)


# Candidates of a request, doubled: the first run of a size finds its buffers. Not up to the most that one may
# have (20,000): that takes a second and 190 MB of a large model, for requests that hardly come.
WARM_SIZES: Final = tuple(2**i for i in range(11))


class OnnxScorer:
    """A loaded model: one onnxruntime session of one thread, safe to call from several."""

    def __init__(self, card: Card, session: onnxruntime.InferenceSession) -> None:
        self._card = card
        self._session = session

    @classmethod
    def load(cls, directory: Path) -> OnnxScorer:
        """Returns the model of a directory after checking that card, file and interface belong together."""
        card = read_card(directory)
        path = directory / MODEL_FILE
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise NotFoundError("model", str(path), "no such file") from None
        if model_version(content, card.schema) != card.model_version:
            raise InvalidInputError(
                f"{directory}: model_version",
                card.model_version,
                f"is not the hash of {MODEL_FILE} and the schema",
            )
        try:
            session = onnxruntime.InferenceSession(
                content, _session_options(), providers=["CPUExecutionProvider"]
            )
        except _LOAD_ERRORS as error:
            raise InvalidInputError("model", str(path), f"cannot be loaded: {error}") from error
        _check_interface(f"{path}: inputs", session.get_inputs(), _INPUTS)
        _check_interface(f"{path}: outputs", session.get_outputs(), _OUTPUTS)
        return cls(card, session)

    @property
    def version(self) -> str:
        """The hash of the model file and its schema."""
        return self._card.model_version

    @property
    def schema(self) -> FeatureSchema:
        """The columns that `score` takes, in order."""
        return self._card.schema

    @property
    def card(self) -> Card:
        """Where the model comes from and what it was measured to be worth."""
        return self._card

    def score(
        self,
        context_numeric: NDArray[np.float32],
        context_categorical: NDArray[np.int64],
        numeric: NDArray[np.float32],
        categorical: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Returns the ctr (n,) of n candidates; see `Scorer.score`.

        Raises StateError when the network returns something that is no probability.
        """
        rows = assemble_rows(self.schema, context_numeric, context_categorical, numeric, categorical)
        (output,) = self._session.run(["ctr"], {"numeric": rows[0], "categorical": rows[1]})
        ctr: NDArray[np.float64] = output.astype(np.float64)
        # Written so that NaN fails the comparison.
        good = (ctr >= 0.0) & (ctr <= 1.0)
        if not good.all():
            row = int(np.argmin(good))
            raise StateError(
                f"ctr[{row}]", float(ctr[row]), f"model {self.version} must return a probability"
            )
        return ctr

    def warm_up(self, sizes: Sequence[int] = WARM_SIZES) -> None:
        """Runs the session on rows of zeros, so that its buffers exist before the first request of a size."""
        schema = self.schema
        for num_rows in sizes:
            self.score(
                np.zeros(len(schema.context_numeric), np.float32),
                np.zeros(len(schema.context_categorical), np.int64),
                np.zeros((num_rows, len(schema.candidate_numeric)), np.float32),
                np.zeros((num_rows, len(schema.candidate_categorical)), np.int64),
            )


def _session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # Requests run in parallel, each on its own thread; a pool per call would fight them, and a spinning
    # one would burn a core between requests.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _check_interface(name: str, nodes: list[onnxruntime.NodeArg], expected: dict[str, str]) -> None:
    found = {node.name: node.type for node in nodes}
    if found != expected:
        raise InvalidInputError(name, found, f"must be {expected}")
