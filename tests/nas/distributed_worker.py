"""What torchrun starts: trains the supernet of `test_training` in each precision and writes the weights.

torchrun --nproc-per-node 2 distributed_worker.py FOLDER DEVICE
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from torch import distributed

from nas.training import TrainingSettings
from tests.nas.test_training import training


def main() -> None:
    folder, device = sys.argv[1:]
    torch.set_num_threads(1)
    distributed.init_process_group("gloo" if device == "cpu" else "nccl")  # reads what torchrun has set
    place = device if device == "cpu" else f"cuda:{os.environ['LOCAL_RANK']}"
    weights = {}
    for precision in ("float32", "bfloat16"):
        mixed = precision == "bfloat16"
        run = training(
            TrainingSettings(epochs=1, batch_size=16, rate=0.01, device=place, mixed_precision=mixed)
        )
        run.run()
        weights[precision] = {name: weight.cpu() for name, weight in run._network.state_dict().items()}
    torch.save(weights, Path(folder) / os.environ["RANK"])
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
