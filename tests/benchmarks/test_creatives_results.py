from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.creatives import names, run_of
from benchmarks.creatives_arena import KNOBS, PLAYERS, Player, plays
from benchmarks.creatives_docs import knobs_table, replaced, table
from benchmarks.creatives_generated import Knobs, generate
from benchmarks.creatives_results import Key, Run, load, save, summary
from benchmarks.creatives_rivals import OneHot, Uniform

TINY = Knobs(slots=2, elements=3, sites=2, days=2, impressions=200)


def run(seed: int, regret: float, policy: str = "random") -> Run:
    return Run("aes", policy, seed, [100, 200, 400], [1.0, 2.0, regret], 0.5, {"coverage_90": 0.9})


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    key = Key("aes", "random", 0, "w", "p")
    assert load(tmp_path, key) is None
    save(tmp_path, key, run(0, 3.0))
    assert load(tmp_path, key) == run(0, 3.0)
    assert load(tmp_path, Key("aes", "random", 0, "w", "another code")) is None
    assert load(tmp_path, Key("aes", "random", 0, "another world", "p")) is None


def test_a_stopped_benchmark_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = generate(TINY, 0)
    first = run_of(tmp_path, world, "interactions 0 %", "random", 0)

    def fails(*_: object) -> None:
        raise AssertionError("played again")

    monkeypatch.setattr("benchmarks.creatives.play", fails)
    assert run_of(tmp_path, world, "interactions 0 %", "random", 0) == first
    with pytest.raises(AssertionError, match="played again"):
        run_of(tmp_path, world, "interactions 0 %", "random", 1)


def test_other_settings_are_another_run() -> None:
    digests = {Player(OneHot, {"scale": scale}).digest for scale in (0.1, 0.2)} | {Player(Uniform).digest}
    assert len(digests) == 3


def test_the_summary_names_mean_spread_worst_and_the_quarter() -> None:
    found = summary([run(0, 4.0), run(1, 8.0)])
    assert (found["seeds"], found["mean"], found["max"], found["quarter"]) == (2, 6.0, 8.0, 1.0)
    assert found["sd"] == pytest.approx(2.8284, abs=1e-4)
    assert found["coverage_90"] == 0.9


def test_the_table_has_the_best_first_and_its_share_of_random() -> None:
    rows = {"random": [run(0, 8.0)], "logistic TS": [run(0, 2.0), run(1, 4.0)]}
    lines = table(rows).splitlines()[2:]
    assert lines[0].startswith("| logistic TS | 2 |")
    assert "37.5%" in lines[0]
    assert lines[1].startswith("| random | 1 |")


def test_the_knobs_are_compared_seed_by_seed() -> None:
    rows = {"random": [run(0, 8.0), run(1, 4.0)], "shipped": [run(0, 4.0), run(1, 1.0)]}
    assert "| 38% ± 12% |" in knobs_table({"interactions 0 %": rows})


def test_a_page_without_the_table_is_refused() -> None:
    page = "a\n<!-- bench:aes -->\nold\n<!-- /bench -->\nb"
    assert replaced(page, "aes", "new\n") == "a\n<!-- bench:aes -->\nnew\n<!-- /bench -->\nb"
    with pytest.raises(ValueError, match="mushroom"):
        replaced(page, "mushroom", "new\n")


def test_unknown_names_are_refused() -> None:
    assert names(None, PLAYERS, "--policies") == list(PLAYERS)
    with pytest.raises(SystemExit, match="'nobody'"):
        names("random;nobody", PLAYERS, "--policies")


def test_the_generated_worlds_have_the_additive_and_the_uniform_rival() -> None:
    for world in KNOBS:
        assert {"shipped", "random", "logistic TS"} <= {name for name in PLAYERS if plays(name, world)}
