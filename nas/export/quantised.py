"""The same network in 8-bit integers, kept only where it is faster and predicts as well."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.shape_inference import quant_pre_process

from nas.calibration.runtimes import run_onnx
from nas.calibration.timing import measure
from nas.errors import SearchError
from nas.export.trained import run_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nas.calibration.timing import Timing, TimingSettings
    from nas.click_data import ClickRows
    from nas.space import FloatArray

METHODS: Final = ("dynamic", "static")
"""Ranges of activations: taken from each batch, or once from calibration rows."""
WORSE: Final = 2e-4
"""The log loss may rise by so much, with confidence: what another seed of training changes on large logs."""
NUM_RESAMPLES: Final = 1000
ROWS_A_BATCH: Final = 512
CALIBRATION_ROWS: Final = 4096


@dataclass(frozen=True)
class Variant:
    """A quantised file beside the float32 one, timed in the same run on the same rows."""

    method: str
    content: bytes
    loss_change: float
    """Log loss of held-out rows less that of float32."""
    low: float
    high: float
    """95 % interval of the change, by paired bootstrap."""
    timing: Timing
    float32: Timing

    @property
    def speed_up(self) -> float:
        """How many times as fast as float32, in the median."""
        return self.float32.p50 / self.timing.p50

    @property
    def pays(self) -> bool:
        """Whether it is faster beyond what visits differ by, and its log loss at most WORSE above."""
        spread = self.timing.spread + self.float32.spread
        return self.timing.p50 * (1.0 + spread) < self.float32.p50 and self.high <= WORSE


def quantise(content: bytes, method: str, calibration: ClickRows) -> bytes:
    """Writes products with learned weights in int8, one scale for each column of the weights.

    Sums by a product with ones stay as they are, or bins would be counted wrongly. Weights have 7 bits:
    processors without VNNI add pairs of products in 16 bits, which 8 bits overflow.

    Raises:
        SearchError: the method is unknown, or there are no weights to quantise.
    """
    if method not in METHODS:
        raise SearchError("method", method, f"is none of {METHODS}")
    whole = ONNXModel(onnx.load_from_string(content))
    whole.replace_gemm_with_matmul()
    whole.clean_initializers()
    names = _named_products(whole.model)
    if not names:
        raise SearchError("content", f"{len(content)} bytes", "has no products with weights to quantise")
    options = {
        "nodes_to_quantize": names,
        "per_channel": True,
        "reduce_range": True,
        "weight_type": QuantType.QInt8,
    }
    with tempfile.TemporaryDirectory() as folder:
        shaped, file = Path(folder) / "shaped.onnx", Path(folder) / "model.onnx"
        quant_pre_process(whole.model, shaped, skip_optimization=True, skip_symbolic_shape=True)
        if method == "dynamic":
            quantize_dynamic(shaped, file, **options)
        else:
            quantize_static(shaped, file, _Rows(calibration), activation_type=QuantType.QUInt8, **options)
        return file.read_bytes()


def variants(
    content: bytes,
    calibration: ClickRows,
    held_out: ClickRows,
    batch: int,
    settings: TimingSettings,
    rng: np.random.Generator,
) -> list[Variant]:  # six arguments: rows have two parts
    """Quantises by each method, judges on held-out rows and times beside float32 in turns."""
    files = {method: quantise(content, method, calibration) for method in METHODS}
    chosen = rng.integers(len(held_out), size=batch)
    categorical = held_out.ids[chosen, held_out.numeric.shape[1] :]
    runs = [run_onnx(file, held_out.numeric[chosen], categorical, 1) for file in (content, *files.values())]
    float32, *timings = measure(runs, runs[0], settings, rng)
    plain = _losses(content, held_out)
    found = []
    for (method, file), timing in zip(files.items(), timings, strict=True):
        change = _losses(file, held_out) - plain
        drawn = rng.integers(len(change), size=(NUM_RESAMPLES, len(change)), dtype=np.int32)
        low, high = np.quantile([change[rows].mean() for rows in drawn], (0.025, 0.975))
        found.append(Variant(method, file, float(change.mean()), float(low), float(high), timing, float32))
    return found


def best_variant(found: list[Variant]) -> Variant | None:
    """Gives the fastest that pays, or None: then the float32 file stays."""
    paying = [variant for variant in found if variant.pays]
    return min(paying, key=lambda variant: variant.timing.p50, default=None)


class _Rows(CalibrationDataReader):  # type: ignore[misc]
    """Calibration rows in batches."""

    def __init__(self, rows: ClickRows) -> None:
        last = min(len(rows), CALIBRATION_ROWS)
        self._feeds: Iterator[dict[str, np.ndarray]] = iter(
            [
                {
                    "numeric": rows.numeric[start : start + ROWS_A_BATCH],
                    "categorical": rows.ids[start : start + ROWS_A_BATCH, rows.numeric.shape[1] :],
                }
                for start in range(0, last, ROWS_A_BATCH)
            ]
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Gives the next batch."""
        return next(self._feeds, None)


def _named_products(model: onnx.ModelProto) -> list[str]:
    """Names all nodes; returns those that multiply by weights other than 0 and 1."""
    constants = {constant.name: constant for constant in model.graph.initializer}
    names = []
    for place, node in enumerate(model.graph.node):
        node.name = f"node{place}"
        if node.op_type in ("Gemm", "MatMul") and node.input[1] in constants:
            weights = numpy_helper.to_array(constants[node.input[1]])
            if not np.isin(weights, (0.0, 1.0)).all():
                names.append(node.name)
    return names


def _losses(content: bytes, rows: ClickRows) -> FloatArray:
    """Gives the log loss of every row (n,)."""
    chances = np.clip(run_rows(content, rows), 1e-7, 1.0 - 1e-7)
    losses: FloatArray = -np.log(np.where(rows.clicks > 0.5, chances, 1.0 - chances))
    return losses
