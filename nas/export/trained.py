"""Exports a trained subnet, and proves that the file computes what the subnet does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from nas.calibration.runtimes import session_options
from nas.errors import SearchError
from nas.export.ctr_graph import StateWeights, export_ctr
from nas.training import predict_logits

if TYPE_CHECKING:
    from nas.click_data import ClickRows
    from nas.ctr.network import Subnet
    from nas.export.ctr_graph import CtrInputs, Platt
    from nas.space import FloatArray

PARITY: Final = 1e-5
"""The largest difference of two chances that rounding explains."""
ROWS_A_RUN: Final = 8192


@dataclass(frozen=True)
class Exported:
    """An ONNX file that was compared with its network."""

    content: bytes
    """`numeric` (n, d) float32, `categorical` (n, c) int64 → `ctr` (n,) float32."""
    difference: float
    """The largest between the chances of file and network."""
    chances: FloatArray
    """(n,) of the rows that were compared, by the file."""


def export_trained(inputs: CtrInputs, subnet: Subnet, platt: Platt, rows: ClickRows) -> Exported:
    """Writes the file and compares it with torch on every row.

    Raises:
        SearchError: they differ by more than PARITY.
    """
    content = export_ctr(inputs, subnet.genotype, StateWeights(subnet.state_dict()), platt)
    logits = predict_logits(subnet.network, subnet.genotype, rows)
    wanted = torch.sigmoid(platt.scale * logits + platt.shift).double().numpy()
    chances = run_rows(content, rows)
    difference = float(np.abs(chances - wanted).max())
    # Written so that NaN fails the comparison.
    if not difference <= PARITY:
        raise SearchError("parity", difference, f"the exported network must agree within {PARITY}")
    return Exported(content, difference, chances)


def run_rows(content: bytes, rows: ClickRows) -> FloatArray:
    """Gives the chances (n,) of rows by an ONNX file, as it is served: one thread on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, session_options(1), providers=["CPUExecutionProvider"])
    categorical = rows.ids[:, rows.numeric.shape[1] :]
    parts = [
        session.run(["ctr"], {"numeric": rows.numeric[part], "categorical": categorical[part]})[0]
        for part in (slice(start, start + ROWS_A_RUN) for start in range(0, len(rows), ROWS_A_RUN))
    ]
    return np.concatenate(parts).astype(np.float64)
