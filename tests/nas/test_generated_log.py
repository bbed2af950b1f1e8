import numpy as np
import pytest

from nas.errors import SearchError
from nas.generated_log import LogLaw, generate_log

SMALL = LogLaw(num_ids=(2, 5, 9), num_pairs=3, num_triples=1)


def test_the_click_rate_is_the_law_s_and_parts_follow_each_other() -> None:
    log = generate_log(SMALL, 20_000, np.random.default_rng(1))
    clicks = np.concatenate([part.clicks for part in (log.data.train, log.data.validation, log.data.test)])
    # 20,000 draws of mean chance 0.2: the deviation is at most √(0.16/20,000) = 0.0028; four of them.
    assert abs(clicks.mean() - 0.2) < 0.0113
    assert [len(part) for part in (log.data.train, log.data.validation, log.data.test)] == [
        12_000,
        4000,
        4000,
    ]


def test_no_table_of_all_ids_beats_the_known_loss() -> None:
    log = generate_log(SMALL, 200_000, np.random.default_rng(2))
    # Two ids × five × nine: every combination's own click rate is the best that data can do.
    cell = {
        name: part.ids @ [45, 9, 1] for name, part in (("train", log.data.train), ("test", log.data.test))
    }
    shown = np.bincount(cell["train"], minlength=90)
    rate = (np.bincount(cell["train"], log.data.train.clicks, minlength=90) + 0.2) / (shown + 1.0)
    chance = rate[cell["test"]]
    clicks = log.data.test.clicks
    loss = -np.where(clicks == 1.0, np.log(chance), np.log1p(-chance)).mean()
    # 90 rates fitted to 120,000 rows cost about 90/(2 · 120,000) = 0.0004 on average.
    assert -0.0005 < loss - log.bayes_loss < 0.002


def test_the_same_seed_gives_the_same_log() -> None:
    one, same = (generate_log(SMALL, 100, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.data.train.ids, same.data.train.ids)
    assert one.bayes_loss == same.bayes_loss


def test_a_wrong_law_names_the_field() -> None:
    with pytest.raises(SearchError, match=r"law.num_ids"):
        LogLaw(num_ids=(2, 3))
    with pytest.raises(SearchError, match="click_rate"):
        LogLaw(click_rate=1.0)
