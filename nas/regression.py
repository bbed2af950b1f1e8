"""Regressors from an architecture's code to its figure: a Protocol, and an ensemble of small nets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nas.space import Architecture, FloatArray
    from nas.trial import Trial

BETAS = (0.9, 0.999)


class Regressor(Protocol):
    """Learns values (n,) from codes (n, p); the result predicts (members, n) for other codes."""

    def __call__(
        self, codes: FloatArray, values: FloatArray, rng: np.random.Generator
    ) -> Callable[[FloatArray], FloatArray]:
        """Fits, with all randomness from rng."""
        ...


@dataclass(frozen=True)
class Surrogate:
    """Predicts qualities of architectures from trials: a code for architectures, and a regressor on codes."""

    encode: Callable[[Sequence[Architecture]], FloatArray]
    regressor: Regressor

    def predict(
        self, trials: Sequence[Trial], candidates: Sequence[Architecture], rng: np.random.Generator
    ) -> FloatArray:
        """Fits to the trials; returns (members, candidates)."""
        values = np.array([trial.quality for trial in trials])
        codes = self.encode([trial.architecture for trial in trials])
        return self.regressor(codes, values, rng)(self.encode(candidates))


@dataclass(frozen=True)
class NetEnsemble:
    """Nets of the same shape that differ by their random start; they are trained side by side.

    h₀ = codes, h_l = relu(h_{l−1} W_l + b_l), ŷ = h_L w + b; squared error on standardised values, Adam
    (Kingma and Ba 2015) on all rows at once. The spread of the members is how unsure they are.
    """

    num_members: int = 5
    widths: tuple[int, ...] = (64, 64)
    steps: int = 200
    rate: float = 0.01
    decay: float = 1e-4
    """Weight decay, decoupled from the gradient (Loshchilov and Hutter 2019)."""

    def __call__(
        self, codes: FloatArray, values: FloatArray, rng: np.random.Generator
    ) -> Callable[[FloatArray], FloatArray]:
        """Fits all members; they predict in the units of values."""
        centre, scale = float(values.mean()), float(values.std()) or 1.0
        target = (values - centre) / scale
        layers = self._start(codes.shape[1], rng)
        first = [np.zeros_like(part) for part in layers]
        second = [np.zeros_like(part) for part in layers]
        for step in range(1, self.steps + 1):
            for part, gradient, m, s in zip(
                layers, _gradients(layers, codes, target), first, second, strict=True
            ):
                m += (1 - BETAS[0]) * (gradient - m)
                s += (1 - BETAS[1]) * (gradient**2 - s)
                size = self.rate / (1 - BETAS[0] ** step)
                part -= (
                    size * m / (np.sqrt(s / (1 - BETAS[1] ** step)) + 1e-8) + self.rate * self.decay * part
                )

        def predict(others: FloatArray) -> FloatArray:
            predicted: FloatArray = centre + scale * _forward(layers, others)[-1][:, :, 0]
            return predicted

        return predict

    def _start(self, num_inputs: int, rng: np.random.Generator) -> list[FloatArray]:
        """Draws weights (members, in + 1, out) of variance 2/in (He et al. 2015); biases are last rows."""
        layers = []
        for rows, columns in zip((num_inputs, *self.widths), (*self.widths, 1), strict=True):
            weights = rng.normal(0.0, np.sqrt(2.0 / rows), (self.num_members, rows + 1, columns))
            weights[:, -1] = 0.0
            layers.append(weights)
        return layers


def _forward(layers: list[FloatArray], codes: FloatArray) -> list[FloatArray]:
    hidden = [np.broadcast_to(codes, (len(layers[0]), *codes.shape))]
    for index, weights in enumerate(layers):
        output = hidden[-1] @ weights[:, :-1] + weights[:, -1:]
        hidden.append(np.maximum(output, 0.0) if index < len(layers) - 1 else output)
    return hidden


def _gradients(layers: list[FloatArray], codes: FloatArray, target: FloatArray) -> list[FloatArray]:
    hidden = _forward(layers, codes)
    back = 2.0 * (hidden[-1] - target[None, :, None]) / len(target)
    gradients: list[FloatArray] = []
    for index in range(len(layers) - 1, -1, -1):
        weights = np.swapaxes(hidden[index], 1, 2) @ back
        gradients.append(np.concatenate([weights, back.sum(axis=1, keepdims=True)], axis=1))
        if index:
            back = (back @ np.swapaxes(layers[index][:, :-1], 1, 2)) * (hidden[index] > 0.0)
    return gradients[::-1]
