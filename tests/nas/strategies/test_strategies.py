"""What every strategy owes, on a small space whose values are known."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from optuna.samplers import TPESampler

from nas.errors import SearchError
from nas.regression import NetEnsemble
from nas.space import Architecture, ChoiceBlock, SearchSpace
from nas.strategies.bananas import Bananas, BananasSettings
from nas.strategies.coarse_to_fine import CoarseToFine
from nas.strategies.compound_scaling import CompoundScaling
from nas.strategies.local_search import LocalSearch
from nas.strategies.neural_predictor import NeuralPredictor
from nas.strategies.nsga2 import Nsga2
from nas.strategies.optuna_sampler import OptunaSampler
from nas.strategies.pnas import Pnas, PnasSettings
from nas.strategies.random_search import RandomSearch
from nas.strategies.regularized_evolution import RegularizedEvolution
from nas.strategies.reinforce import Reinforce, ReinforceSettings
from nas.strategies.rewards import AbsoluteReward, MnasNetReward
from nas.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.trial import Strategy

SPACE = SearchSpace(tuple(ChoiceBlock(f"block{i}", ("a", "b", "c", "d")) for i in range(5)))
SMALL_NETS = NetEnsemble(num_members=3, widths=(16,), steps=50)
MAKERS: dict[str, Callable[[np.random.Generator], Strategy]] = {
    "random": lambda rng: RandomSearch(SPACE, rng),
    "regularized evolution": lambda rng: RegularizedEvolution(SPACE, rng, 12, 5),
    "nsga2": lambda rng: Nsga2(SPACE, rng, 12),
    "reinforce": lambda rng: Reinforce(SPACE, rng),
    "bananas": lambda rng: Bananas(SPACE, SPACE.one_hot, rng, BananasSettings(regressor=SMALL_NETS)),
    "neural predictor": lambda rng: NeuralPredictor(SPACE, SPACE.one_hot, SMALL_NETS, rng, 30),
    "pnas": lambda rng: Pnas(SPACE, SPACE.one_hot, rng, settings=PnasSettings(beam=12, regressor=SMALL_NETS)),
    "coarse to fine": lambda rng: CoarseToFine(SPACE, rng, 16),
    "local search": lambda rng: LocalSearch(SPACE, rng),
    "optuna": lambda rng: OptunaSampler(SPACE, TPESampler(seed=int(rng.integers(2**31)))),
}


def worth(architecture: Architecture) -> float:
    """Additive and a pair that must come together; the best of 1,024 is all 3s with 15 + 4."""
    return float(sum(architecture)) + 4.0 * (architecture[0] == 3 and architecture[4] == 3)


def run(strategy: Strategy, queries: int) -> list[Trial]:
    trials = []
    for _ in range(queries):
        architecture = strategy.ask()
        trials.append(Trial(architecture, worth(architecture), 1.0 + sum(architecture)))
        strategy.tell(trials[-1])
    return trials


@pytest.fixture(params=list(MAKERS))
def maker(request: pytest.FixtureRequest) -> Callable[[np.random.Generator], Strategy]:
    return MAKERS[request.param]


def test_every_strategy_proposes_architectures_of_its_space_and_repeats_itself_by_seed(
    maker: Callable[[np.random.Generator], Strategy],
) -> None:
    once, again = (run(maker(np.random.default_rng(1)), 60) for _ in range(2))
    assert once == again
    for trial in once:
        SPACE.check(trial.architecture)


def test_every_strategy_can_be_asked_ahead_and_told_of_strangers(
    maker: Callable[[np.random.Generator], Strategy],
) -> None:
    strategy = maker(np.random.default_rng(2))
    strategy.tell(Trial((3, 3, 3, 3, 3), 19.0, 16.0))
    asked = [strategy.ask() for _ in range(40)]
    for architecture in asked:
        strategy.tell(Trial(architecture, worth(architecture), 1.0))
    SPACE.check(strategy.ask())


def test_every_strategy_refuses_a_trial_of_another_space(
    maker: Callable[[np.random.Generator], Strategy],
) -> None:
    with pytest.raises(SearchError, match=r"architecture\[block4\] = 9"):
        maker(np.random.default_rng(3)).tell(Trial((0, 0, 0, 0, 9), 1.0, 1.0))


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("random", "nsga2")])
def test_what_learns_beats_random_search(name: str) -> None:
    best = {
        who: np.mean(
            [max(t.quality for t in run(MAKERS[who](np.random.default_rng(s)), 80)) for s in range(8)]
        )
        for who in (name, "random")
    }
    # Random search finds about 14.5 ± 1.5 in 80 queries; the deviation of a mean of eight is .5.
    assert best[name] > best["random"] + 1.0


def test_pnas_goes_away_from_its_base_one_block_at_a_time() -> None:
    base = (1, 1, 1, 1, 1)
    search = Pnas(SPACE, SPACE.one_hot, np.random.default_rng(1), base, PnasSettings(4, 50, SMALL_NETS))
    trials = run(search, 21)
    away = [sum(a != b for a, b in zip(trial.architecture, base, strict=True)) for trial in trials]
    assert away == [0, *[1] * 4, *[2] * 4, *[3] * 4, *[4] * 4, *[5] * 4]
    best = max(trials, key=lambda trial: trial.quality).architecture
    again = search.ask()
    assert sum(a != b for a, b in zip(again, best, strict=True)) == 1


def test_local_search_moves_only_upwards_and_starts_anew_at_a_summit() -> None:
    search = LocalSearch(SPACE, np.random.default_rng(3))
    present, moves = None, 0
    for trial in run(search, 200):
        near = (
            present
            and sum(a != b for a, b in zip(trial.architecture, present.architecture, strict=True)) == 1
        )
        if present is None or not near or trial.quality > present.quality:
            moves += 1
            present = trial
    # Fifteen neighbours a step, about ten steps to a summit: more than one climb fits into 200 trials.
    assert moves > 12


def test_compound_scaling_tries_directions_and_follows_the_best() -> None:
    blocks = ("depth", "width", "dim")
    sizes = SearchSpace(tuple(ChoiceBlock(name, ("0", "1", "2", "3", "4")) for name in blocks))
    scaling = CompoundScaling(sizes, (1, 1, 1), [["depth"], ["width", "dim"]])
    asked = []
    for _ in range(8):
        depth, width, dim = scaling.ask()
        asked.append((depth, width, dim))
        # Width and dim pay together; depth only costs.
        scaling.tell(Trial(asked[-1], 1.0 * width * dim, 1.0 + depth + width + dim))
    assert asked[:4] == [(1, 1, 1), (1, 2, 2), (2, 1, 1), (2, 2, 2)]
    assert scaling.direction == (0, 1)
    assert asked[4:7] == [(1, 3, 3), (1, 4, 4), (1, 0, 0)]
    assert asked[7] == (1, 4, 4)


def test_nsga2_covers_the_front_better_than_chance() -> None:
    def missed(strategy: Strategy) -> int:
        found = {(t.quality, t.latency) for t in run(strategy, 150)}
        return sum(
            not any(q >= worth(a) and t <= 1.0 + sum(a) for q, t in found)
            for a in product(range(4), repeat=5)
        )

    seeds = range(6)
    evolved = np.mean([missed(Nsga2(SPACE, np.random.default_rng(s), 20)) for s in seeds])
    drawn = np.mean([missed(RandomSearch(SPACE, np.random.default_rng(s))) for s in seeds])
    assert evolved < 0.7 * drawn


def test_nsga2_wants_latencies() -> None:
    with pytest.raises(SearchError, match=r"trial\.latency = nan"):
        Nsga2(SPACE, np.random.default_rng(1)).tell(Trial((0, 0, 0, 0, 0), 1.0))


def test_the_oldest_member_dies_although_it_is_the_best() -> None:
    evolution = RegularizedEvolution(SPACE, np.random.default_rng(1), population_size=2, sample_size=2)
    for _ in range(2):
        evolution.ask()
    evolution.tell(Trial((3, 3, 3, 3, 3), 100.0))
    evolution.tell(Trial((0, 0, 0, 0, 0), 1.0))
    evolution.tell(Trial((0, 0, 0, 0, 1), 2.0))
    children = {evolution.ask() for _ in range(50)}
    assert all(sum(a != b for a, b in zip(child, (0, 0, 0, 0, 1), strict=True)) == 1 for child in children)


def test_reinforce_takes_one_step_by_hand() -> None:
    two = SearchSpace((ChoiceBlock("b", ("x", "y")),))
    policy = Reinforce(two, np.random.default_rng(1), settings=ReinforceSettings(rate=0.5, warm_up=1))
    policy.tell(Trial((0,), 1.0))
    policy.tell(Trial((1,), 3.0))
    # Second of two: mean 1, difference 2, running square ½·2² = 2, so an advantage of 2/√2 = 1.414; the
    # logits move by ½·1.414·(e_y − ½).
    step = 0.5 * 2.0 / np.sqrt(2.0)
    odds = np.exp(step)
    np.testing.assert_allclose(policy.probabilities[0], [1 / (1 + odds), odds / (1 + odds)])
    assert policy.best() == (1,)


def test_the_absolute_reward_lands_on_its_latency() -> None:
    policy = Reinforce(SPACE, np.random.default_rng(5), AbsoluteReward(target=9.0, price=-40.0))
    for _ in range(600):
        architecture = policy.ask()
        policy.tell(Trial(architecture, worth(architecture), 1.0 + sum(architecture)))
    assert abs(1.0 + sum(policy.best()) - 9.0) <= 1.0


def test_rewards_by_hand() -> None:
    trial = Trial((0,), quality=80.0, latency=2.0)
    assert MnasNetReward(target=1.0, exponent=-0.5)(trial) == pytest.approx(80.0 / np.sqrt(2.0))
    assert AbsoluteReward(target=1.0, price=-10.0)(trial) == pytest.approx(70.0)
    with pytest.raises(SearchError, match=r"trial\.latency = nan"):
        AbsoluteReward(target=1.0, price=-10.0)(Trial((0,), 1.0))
    with pytest.raises(SearchError, match=r"trial\.quality = -1\.0"):
        MnasNetReward(target=1.0)(Trial((0,), -1.0, 1.0))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: AbsoluteReward(0.0, -1.0), "target = 0.0"),
        (lambda: AbsoluteReward(1.0, 1.0), "price = 1.0"),
        (lambda: MnasNetReward(1.0, 0.1), "exponent = 0.1"),
        (lambda: ReinforceSettings(rate=0.0), "rate = 0.0"),
        (lambda: ReinforceSettings(baseline_decay=1.0), "baseline_decay = 1.0"),
        (lambda: ReinforceSettings(warm_up=-1), "warm_up = -1"),
        (lambda: BananasSettings(batch=0), "batch = 0"),
        (lambda: Nsga2(SPACE, np.random.default_rng(1), 1), "population_size = 1"),
        (lambda: Nsga2(SPACE, np.random.default_rng(1), 4, 1.5), "crossover = 1.5"),
        (lambda: RegularizedEvolution(SPACE, np.random.default_rng(1), 5, 6), "sample_size = 6"),
        (
            lambda: NeuralPredictor(SPACE, SPACE.one_hot, SMALL_NETS, np.random.default_rng(1), 1),
            "num_training",
        ),
        (lambda: PnasSettings(beam=0), "beam = 0"),
        (lambda: CompoundScaling(SPACE, (0, 0, 0, 0, 0), [["depth"]]), "groups = 'depth'"),
        (lambda: CompoundScaling(SPACE, (0, 0, 0, 0, 0), []), "groups = "),
        (lambda: CompoundScaling(SPACE, (0, 0, 0, 0, 0), [["block0"]]).direction, "base = "),
        (lambda: Trial((0,), float("nan")), "trial.quality = nan"),
        (lambda: Trial((0,), 1.0, -1.0), "trial.latency = -1.0"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(make: Callable[[], object], said: str) -> None:
    with pytest.raises(SearchError, match=said):
        make()
