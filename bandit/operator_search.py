"""Which operator fits which pair of fields: one-shot searches, and the evidence bound of each choice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot, softmax, softplus

from bandit.errors import CreativeError
from bandit.operators import Operator, PairTables, pair_term

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bandit.outcomes import Cells

OPERATORS = tuple(Operator)
NO_OPERATOR = -1
"""A pair that adds nothing."""


class Search(StrEnum):
    """How an architecture, one operator a pair, is searched while the weights are learned."""

    PROXIMAL = "proximal"
    SNAS = "snas"
    DSNAS = "dsnas"


@dataclass(frozen=True)
class SearchSettings:
    """How long and how fast."""

    num_factors: int = 8
    steps: int = 400
    """Gradient steps over all cells."""
    weight_rate: float = 0.02
    choice_rate: float = 0.05
    prior_scale: float = 0.15
    """Prior standard deviation of the vectors; 0.3 for linear weights and 1 for the operators' weights."""
    hottest: float = 2.5
    """First temperature of SNAS; it falls to a hundredth of it."""

    def __post_init__(self) -> None:
        for name in ("num_factors", "steps"):
            if getattr(self, name) < 1:
                raise CreativeError(name, getattr(self, name), "must be at least 1")
        for name in ("weight_rate", "choice_rate", "prior_scale", "hottest"):
            if not getattr(self, name) > 0.0:
                raise CreativeError(name, getattr(self, name), "must be positive")


class OperatorMachine(torch.nn.Module):
    """q(θ) = N(m, s²) over a pairwise model in which every operator has vectors of its own.

    z = b + Σ_f w_f + Σ_{f<g} Σ_o a_fg,o · o(e_f^o, e_g^o); a (P, O) chooses; one draw of θ a call.
    """

    def __init__(self, sizes: Sequence[int], settings: SearchSettings, seed: int) -> None:
        super().__init__()
        self.offsets = tuple(np.cumsum([0, *sizes]).tolist())
        self.pairs = list(combinations(range(len(sizes)), 2))
        self.left = torch.tensor([f for f, _ in self.pairs])
        self.right = torch.tensor([g for _, g in self.pairs])
        num_rows, num_factors, num_operators = self.offsets[-1], settings.num_factors, len(OPERATORS)
        shapes = {
            "bias": ((1,), 3.0),
            "linear": ((num_rows,), 0.3),
            "vectors": ((num_operators, num_rows, num_factors), settings.prior_scale),
            "weights": ((num_operators, 2, num_factors), 1.0),
        }
        self.generator = torch.Generator().manual_seed(seed)
        self.prior_scales = {name: scale for name, (_, scale) in shapes.items()}
        self.loc, self.raw = torch.nn.ParameterDict(), torch.nn.ParameterDict()
        for name, (shape, scale) in shapes.items():
            start = torch.randn(shape, generator=self.generator) * scale
            self.loc[name] = torch.nn.Parameter(start if name in ("vectors", "weights") else 0.0 * start)
            # softplus⁻¹ of a tenth of the prior's deviation.
            self.raw[name] = torch.nn.Parameter(torch.full(shape, float(np.log(np.expm1(0.1 * scale)))))

    def forward(self, rows: Tensor, choice: Tensor, noise: float = 1.0) -> Tensor:
        """Computes the logits (N,) of cells under one draw; rows (N, F), negative where absent."""
        theta = {
            name: loc + noise * softplus(self.raw[name]) * torch.randn(loc.shape, generator=self.generator)
            for name, loc in self.loc.items()
        }
        present = (rows >= 0).float()
        places = rows.clamp(min=0)
        z = theta["bias"] + (theta["linear"][places] * present).sum(1)
        both = present[:, self.left] * present[:, self.right]
        for number, operator in enumerate(OPERATORS):
            if bool((choice[:, number] != 0).any()) or choice.requires_grad:
                vectors = theta["vectors"][number][places]
                terms = _terms(
                    operator, vectors[:, self.left], vectors[:, self.right], theta["weights"][number]
                )
                z = z + (terms * both) @ choice[:, number]
        logits: Tensor = z
        return logits

    def divergence(self, choice: Tensor) -> Tensor:
        """Computes KL(q ‖ prior) of the parts that the choice uses."""
        used = (choice != 0).any(0).float()
        total = torch.zeros(())
        for name, loc in self.loc.items():
            scale, prior = softplus(self.raw[name]), self.prior_scales[name]
            parts = torch.log(prior / scale) + (scale**2 + loc**2) / (2.0 * prior**2) - 0.5
            total = total + (parts.sum() if loc.dim() < 3 else (parts.sum((1, 2)) * used).sum())
        return total

    def tables(self, choice: Tensor) -> PairTables:
        """Writes the mean machine out; what `PairTables.served` makes of it is searched exactly."""
        arrays = {name: loc.detach().double().numpy() for name, loc in self.loc.items()}
        tables = {}
        for (f, g), chosen in zip(self.pairs, choice.detach().numpy(), strict=True):
            if chosen.any():
                number = int(chosen.argmax())
                p, q = (arrays["vectors"][number, self.offsets[x] : self.offsets[x + 1]] for x in (f, g))
                weights = arrays["weights"][number]
                tables[f, g] = pair_term(OPERATORS[number], p[:, None], q[None], weights)
        return PairTables(self.offsets, float(arrays["bias"][0]), arrays["linear"], tables)


@dataclass(frozen=True)
class Finding:
    """What a choice of operators is worth: the evidence lower bound in nats, higher is better."""

    name: str
    operators: dict[tuple[int, int], str]
    bound: float


def bound_of(
    sizes: Sequence[int], cells: Cells, architecture: Sequence[int], settings: SearchSettings, seed: int
) -> tuple[float, OperatorMachine, Tensor]:
    """Fits q to an architecture; returns its bound (mean of 32 draws), the machine and the choice (P, O).

    Source: Blei, Kucukelbir and McAuliffe (2017), Variational inference: a review, equation 13.
    """
    machine, choice = OperatorMachine(sizes, settings, seed), _choice(architecture)
    data = _Data.of(cells)
    optimiser = torch.optim.Adam(machine.parameters(), lr=settings.weight_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
    for _ in range(settings.steps):
        optimiser.zero_grad()
        (data.loss(machine(data.rows, choice)) + machine.divergence(choice)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        fits = [float(data.loss(machine(data.rows, choice))) for _ in range(32)]
        return -float(np.mean(fits)) - float(machine.divergence(choice)), machine, choice


def searched(
    sizes: Sequence[int], cells: Cells, method: Search, settings: SearchSettings, seed: int
) -> list[int]:
    """Searches an operator for each pair, weights and choice in turns; returns their numbers.

    proximal: the best operator so far is run alone, its choice follows the gradient and is clipped to [0, 1];
    SNAS: a relaxed Gumbel draw, ever colder; DSNAS: a hard draw with the gradient of its own probability.

    Source: Chen et al. (2021), section 4.3 (after Yao et al. 2020, NASP); Xie et al. (2019), SNAS, equation
    3; Hu et al. (2020), DSNAS, equation 11.
    """
    machine, data = OperatorMachine(sizes, settings, seed), _Data.of(cells)
    generator = torch.Generator().manual_seed(seed + 1)
    alpha = torch.full((len(machine.pairs), len(OPERATORS)), 0.5, requires_grad=True)
    weights = torch.optim.Adam(machine.parameters(), lr=settings.weight_rate)
    choices = torch.optim.Adam([alpha], lr=settings.choice_rate, betas=(0.5, 0.999))
    for step in range(settings.steps):
        cold = settings.hottest * 0.01 ** (step / settings.steps)
        for optimiser in (choices, weights):
            choices.zero_grad()
            weights.zero_grad()
            choice = _sampled(alpha, method, cold, generator)
            if method is Search.PROXIMAL:
                # The choice is a point of its own: its gradient, not alpha's, moves alpha.
                choice = choice.detach().requires_grad_()
            (data.loss(machine(data.rows, choice)) + machine.divergence(choice.detach())).backward()  # type: ignore[no-untyped-call]
            if method is Search.PROXIMAL:
                alpha.grad = choice.grad
            optimiser.step()
        if method is Search.PROXIMAL:
            with torch.no_grad():
                alpha.clamp_(0.0, 1.0)
    return [int(number) for number in alpha.detach().argmax(1)]


def report(
    sizes: Sequence[int], cells: Cells, settings: SearchSettings = SearchSettings(), seed: int = 0
) -> list[Finding]:
    """Compares no interactions, each operator everywhere and what each search found; the best bound first."""
    num_pairs = len(sizes) * (len(sizes) - 1) // 2
    candidates = {"none": [NO_OPERATOR] * num_pairs}
    candidates |= {f"{operator}": [number] * num_pairs for number, operator in enumerate(OPERATORS)}
    candidates |= {f"{method} search": searched(sizes, cells, method, settings, seed) for method in Search}
    pairs = list(combinations(range(len(sizes)), 2))
    findings = []
    for name, architecture in candidates.items():
        bound, _, _ = bound_of(sizes, cells, architecture, settings, seed)
        chosen = zip(pairs, architecture, strict=True)
        operators = {pair: str(OPERATORS[o]) for pair, o in chosen if o != NO_OPERATOR}
        findings.append(Finding(name, operators, bound))
    return sorted(findings, key=lambda finding: -finding.bound)


@dataclass(frozen=True)
class _Data:
    rows: Tensor
    impressions: Tensor
    clicks: Tensor

    @classmethod
    def of(cls, cells: Cells) -> _Data:
        counts = (torch.tensor(x, dtype=torch.float32) for x in (cells.num_impressions, cells.num_clicks))
        return cls(torch.tensor(cells.rows.astype(np.int64)), *counts)

    def loss(self, z: Tensor) -> Tensor:
        """−log likelihood of the clicks in their order, in nats."""
        return (self.impressions * softplus(z) - self.clicks * z).sum()


def _terms(operator: Operator, p: Tensor, q: Tensor, weights: Tensor) -> Tensor:
    """Computes `operators.pair_term` with gradients."""
    u, other = weights
    match operator:
        case Operator.INNER:
            meeting = p * q
        case Operator.PRODUCT:
            meeting = u * p * q
        case Operator.PLUS:
            meeting = u * (p + q)
        case Operator.MAX:
            meeting = u * torch.maximum(p, q)
        case Operator.MIN:
            meeting = u * torch.minimum(p, q)
        case Operator.CONCAT:
            meeting = u * p + other * q
    return meeting.sum(-1)


def _choice(architecture: Sequence[int]) -> Tensor:
    """Writes operators as rows of one 1 among zeros; NO_OPERATOR as zeros."""
    rows = one_hot(torch.tensor(architecture).clamp(min=0), len(OPERATORS)).float()
    return rows * (torch.tensor(architecture) != NO_OPERATOR).float()[:, None]


def _sampled(alpha: Tensor, method: Search, cold: float, generator: torch.Generator) -> Tensor:
    if method is Search.PROXIMAL:
        return one_hot(alpha.argmax(1), len(OPERATORS)).float()
    uniform = torch.rand(alpha.shape, generator=generator).clamp(1e-9, 1.0 - 1e-9)
    noisy = alpha - torch.log(-torch.log(uniform))
    if method is Search.SNAS:
        return softmax(noisy / cold, 1)
    probability = (softmax(alpha, 1) * (hard := one_hot(noisy.argmax(1), len(OPERATORS)).float())).sum(1)
    return hard * (probability / probability.detach())[:, None]
