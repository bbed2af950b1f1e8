"""The rival of `benchmarks.replay_speed`: obp 0.5.7 on the same arrays, in an environment of its own.

    PYTHON_WITH_OBP benchmarks/replay_obp.py ARRAYS.npz ROUNDS

Prints one JSON line with the seconds of each round.
"""

import json
import sys
import time

import numpy as np
from obp.dataset import SyntheticSlateBanditDataset
from obp.ope import (
    DirectMethod,
    DoublyRobust,
    DoublyRobustWithShrinkage,
    InverseProbabilityWeighting,
    SelfNormalizedDoublyRobust,
    SelfNormalizedInverseProbabilityWeighting,
    SubGaussianDoublyRobust,
    SubGaussianInverseProbabilityWeighting,
    SwitchDoublyRobust,
)

ESTIMATORS = {
    "DM": DirectMethod(),
    "IPS": InverseProbabilityWeighting(),
    "SNIPS": SelfNormalizedInverseProbabilityWeighting(),
    "sub-Gaussian IPS": SubGaussianInverseProbabilityWeighting(lambda_=0.01),
    "DR": DoublyRobust(),
    "SNDR": SelfNormalizedDoublyRobust(),
    "Switch-DR": SwitchDoublyRobust(lambda_=10),
    "DRos": DoublyRobustWithShrinkage(lambda_=100),
    "sub-Gaussian DR": SubGaussianDoublyRobust(lambda_=0.01),
}


def main(path: str, rounds: int) -> None:
    data = np.load(path)
    n = len(data["reward"])
    inputs = {
        "reward": data["reward"],
        "action": data["action"],
        "position": data["position"],
        "pscore": data["propensity"],
        "action_dist": np.ascontiguousarray(np.broadcast_to(data["target"], (n, *data["target"].shape[1:]))),
        "estimated_rewards_by_reg_model": data["predicted"],
    }
    seconds, values = [], {}
    for _ in range(rounds):
        started = time.perf_counter()
        for name, estimator in ESTIMATORS.items():
            values[name] = float(estimator.estimate_policy_value(**inputs))
        seconds.append(time.perf_counter() - started)
    scores, slates = data["scores"], data["slates"]
    dataset = SyntheticSlateBanditDataset(
        n_unique_action=scores.shape[1], len_list=slates.shape[1], dim_context=1, random_state=1
    )
    slate_seconds: list[float] = []
    found: tuple[np.ndarray, ...] = ()
    for _ in range(rounds):
        started = time.perf_counter()
        found = dataset.obtain_pscore_given_evaluation_policy_logit(
            action=slates.reshape(-1), evaluation_policy_logit_=scores, return_pscore_item_position=True
        )
        slate_seconds.append(time.perf_counter() - started)
    checks = [float(np.sum(part)) for part in found]
    print(
        json.dumps(
            {"seconds": seconds, "values": values, "slate_seconds": slate_seconds, "slate_sums": checks}
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
