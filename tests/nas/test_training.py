import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.click_data import ClickRows
from nas.ctr.fields import FieldGroups
from nas.ctr.genotype import CtrGenotype, Tower
from nas.ctr.network import CtrNetwork, Subnet
from nas.ctr.space import CtrSpace
from nas.errors import SearchError
from nas.supernet.plans import FairPaths, Sandwich
from nas.training import (
    StepPaths,
    Training,
    TrainingSettings,
    log_loss,
    predict_logits,
    train_alone,
)

FIELDS = FieldGroups((3, 4), (0, 0))
SPACE = CtrSpace(1, dims=(0, 4), crosses=((0, 0), (1, 16)), depths=(0, 1), widths=(8,), seconds=((0, 0),))
SETTINGS = TrainingSettings(epochs=2, batch_size=16, rate=0.01)


def rows(num_rows: int = 64, seed: int = 0) -> ClickRows:
    rng = np.random.default_rng(seed)
    ids = rng.integers((3, 4), size=(num_rows, 2))
    clicks = (rng.random(num_rows) < 0.1 + 0.4 * (ids[:, 0] == ids[:, 1])).astype(np.float32)
    return ClickRows(ids, clicks, np.zeros((num_rows, 0), np.float32))


def supernet() -> CtrNetwork:
    return CtrNetwork(FIELDS, SPACE.limits, torch.Generator().manual_seed(1))


def training(settings: TrainingSettings = SETTINGS, plan: FairPaths | Sandwich | None = None) -> Training:
    return Training(supernet(), rows(), plan or FairPaths(SPACE, 2), settings)


def test_training_finds_the_rates_of_the_cells() -> None:
    settings = TrainingSettings(epochs=12, batch_size=256, rate=0.02, decay=0.0)
    genotype = CtrGenotype((4,), pairs=True, tower=Tower(1, 16))
    train, test = rows(8_000), rows(8_000, seed=1)
    subnet = train_alone(Subnet(FIELDS, genotype, torch.Generator().manual_seed(0)), train, settings)
    logits = predict_logits(subnet.network, genotype, test)
    clicked = test.ids[:, 0] == test.ids[:, 1]
    assert abs(torch.sigmoid(logits[clicked]).mean() - 0.5) < 0.03
    assert abs(torch.sigmoid(logits[~clicked]).mean() - 0.1) < 0.03


def test_the_log_loss_by_hand() -> None:
    two = ClickRows(
        np.zeros((2, 2), np.int64), np.array([1.0, 0.0], np.float32), np.zeros((2, 0), np.float32)
    )
    expected = -(math.log(0.75) + math.log(0.5)) / 2
    assert log_loss(torch.tensor([math.log(3.0), 0.0]), two) == pytest.approx(expected)


@pytest.mark.parametrize("plan", [FairPaths(SPACE, 3), Sandwich(SPACE, 1)])
def test_resumed_training_equals_uninterrupted_training_bit_for_bit(
    plan: FairPaths | Sandwich, tmp_path: Path
) -> None:
    whole = training(plan=plan)
    whole.run()
    first = training(plan=plan)
    first.run(3)
    first.save(tmp_path / "checkpoint")
    second = training(plan=plan)
    second.load(tmp_path / "checkpoint")
    assert second.step == 3
    second.run()
    assert second.step == whole.num_steps == 8
    for name, weight in second._network.state_dict().items():
        assert torch.equal(weight, whole._network.state_dict()[name]), name


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    training().save(tmp_path / "checkpoint")
    with pytest.raises(SearchError, match=r"training.rate = 0.5: the checkpoint has 0.01"):
        training(TrainingSettings(epochs=2, batch_size=16, rate=0.5)).load(tmp_path / "checkpoint")


def test_progress_is_reported_after_each_step() -> None:
    seen: list[tuple[int, int]] = []
    training().run(2, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 8), (2, 8)]


def test_the_rate_rises_then_falls_to_nothing() -> None:
    run = training(TrainingSettings(epochs=10, batch_size=16, warm_up=0.25))
    shares = []
    for run.step in range(40):
        shares.append(run._schedule())
    assert shares[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert max(shares) == pytest.approx(1.0, abs=0.04)
    assert shares[-1] == pytest.approx(1 / 40)
    assert np.all(np.diff(shares[10:]) < 0.0)


def test_distillation_pulls_the_others_towards_half_of_the_first_s_prediction() -> None:
    from nas.training import _PathLoss

    network, batch = supernet(), rows()
    paths = [network.path(SPACE.limits), network.path(CtrGenotype((4,)))]
    ids, clicks = torch.from_numpy(batch.ids), torch.from_numpy(batch.clicks)
    teacher, student = (network(ids, path) for path in paths)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    by_hand = (entropy(teacher, clicks) + entropy(student, (clicks + torch.sigmoid(teacher)) / 2)) / 2
    torch.testing.assert_close(_PathLoss(network)(ids, clicks, paths, True), by_hand)
    # The student's loss moves the weights that only the teacher has by nothing.
    _PathLoss(network)(ids, clicks, [paths[0]], False).backward()
    alone = network.branches["gate"].out[0].weight.grad.clone()
    network.zero_grad()
    _PathLoss(network)(ids, clicks, paths, True).backward()
    torch.testing.assert_close(network.branches["gate"].out[0].weight.grad, alone / 2)


def test_mixed_precision_learns_nearly_the_same() -> None:
    losses = []
    for mixed in (False, True):
        settings = TrainingSettings(epochs=4, batch_size=16, mixed_precision=mixed)
        network = supernet()
        plan = StepPaths((SPACE.limits,))
        Training(network, rows(), lambda _, plan=plan: plan, settings).run()
        losses.append(log_loss(predict_logits(network, SPACE.limits, rows()), rows()))
    # bfloat16 keeps 8 bits: relative errors of 0.4 % an operation.
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 0}, "epochs"),
        ({"rate": -1.0}, "rate"),
        ({"decay": -1.0}, "decay"),
        ({"warm_up": 1.0}, "warm_up"),
    ],
)
def test_wrong_settings_name_the_field(change: dict[str, float], said: str) -> None:
    with pytest.raises(SearchError, match=f"training.{said}"):
        TrainingSettings(**change)  # type: ignore[arg-type]


def torchrun(folder: Path, device: str, num_processes: int) -> list[dict[str, dict[str, torch.Tensor]]]:
    """Starts the worker as `torchrun` does and returns the weights of each process by precision."""
    options = ["--standalone", "--nproc-per-node", str(num_processes), "-m", "tests.nas.distributed_worker"]
    command = [sys.executable, "-m", "torch.distributed.run", *options, str(folder), device]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / str(rank), weights_only=True) for rank in range(num_processes)]


def test_processes_that_torchrun_starts_learn_what_one_learns(tmp_path: Path) -> None:
    first, second = torchrun(tmp_path, "cpu", 2)
    for precision, weights in first.items():
        assert all(torch.equal(weights[name], second[precision][name]) for name in weights), precision
    alone = training(TrainingSettings(epochs=1, batch_size=16, rate=0.01))
    alone.run()
    for name, weight in alone._network.state_dict().items():
        # Sums of gradients in another order; Adam divides by their size, so that rounding of tiny ones shows.
        torch.testing.assert_close(first["float32"][name], weight, rtol=1e-3, atol=1e-4)
    network = supernet()
    losses = []
    for weights in first.values():
        network.load_state_dict(weights)
        losses.append(log_loss(predict_logits(network, SPACE.limits, rows()), rows()))
    # As between precisions above.
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] != losses[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_device_learns_what_a_processor_learns(tmp_path: Path) -> None:
    weights = torchrun(tmp_path, "cuda", torch.cuda.device_count())
    losses = []
    for device in ("cpu", "cuda"):
        run = training(TrainingSettings(epochs=2, batch_size=16, rate=0.01, device=device))
        run.run()
        losses.append(log_loss(predict_logits(run._network, SPACE.limits, rows()), rows()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    for others in weights[1:]:
        for precision, learnt in others.items():
            assert all(torch.equal(weights[0][precision][name], learnt[name]) for name in learnt)
