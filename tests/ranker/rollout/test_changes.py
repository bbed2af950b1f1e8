"""What people and servers may do to a rollout, and the file that they do it in."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from ranker.errors import InvalidInputError, StateError
from ranker.rollout.changes import end, follow_newest, pin, promote, roll_back, served, shadow, start
from ranker.rollout.plan import Arm, Bounds, Experiment, Rollout, Shadow
from ranker.rollout.rollout_file import change_rollout, read_rollout

AGES = ["v1", "v2", "v3"]
CANARY = Experiment("e", (Arm("canary", "v3", 0.1),), Bounds(2.0, 0.01))


def test_a_rollback_goes_back_through_what_was_pinned():
    rollout = pin(pin(Rollout(), "v1", AGES), "v2", AGES)
    assert served(rollout, AGES) == "v2"
    back = roll_back(rollout, AGES)
    assert served(back, AGES) == "v1"
    assert served(roll_back(back, AGES), AGES) == "v3"  # the newest served before anything was pinned


def test_a_rollback_without_a_history_goes_to_the_model_before():
    back = roll_back(Rollout(), AGES)
    assert served(back, AGES) == "v2"
    assert served(roll_back(back, AGES), AGES) == "v1"
    with pytest.raises(StateError, match="oldest"):
        roll_back(roll_back(back, AGES), AGES)


def test_a_pinned_model_stays_when_another_is_trained():
    assert served(pin(Rollout(), "v2", AGES), [*AGES, "v4"]) == "v2"
    assert served(follow_newest(pin(Rollout(), "v2", AGES)), [*AGES, "v4"]) == "v4"


def test_an_experiment_pins_its_control():
    rollout = start(Rollout(), CANARY, ["v1", "v2"])
    assert rollout.pinned == "v2"
    assert rollout.experiment == CANARY


def test_a_rollback_ends_a_running_experiment_and_changes_nothing_else():
    running = start(pin(Rollout(), "v1", AGES), CANARY, AGES)
    ended = roll_back(running, AGES)
    assert (ended.experiment, ended.pinned, ended.history) == (None, "v1", running.history)
    assert ended.ended


def test_an_arm_that_is_promoted_answers_everything_and_can_be_rolled_back():
    rollout = promote(start(pin(Rollout(), "v1", AGES), CANARY, AGES), "canary", AGES)
    assert (rollout.experiment, rollout.pinned) == (None, "v3")
    assert served(roll_back(rollout, AGES), AGES) == "v1"
    with pytest.raises(StateError, match="'other': no such arm"):
        promote(start(Rollout(), CANARY, AGES), "other", AGES)


def test_an_end_is_for_the_named_experiment_alone():
    running = start(Rollout(), CANARY, AGES)
    assert end(running, "another", "late") == running
    assert end(running, "e", "bad").ended == "bad"


def test_a_second_experiment_waits_for_the_first():
    running = start(Rollout(), CANARY, AGES)
    with pytest.raises(StateError, match="is running"):
        start(running, Experiment("f", CANARY.arms), AGES)
    larger = Experiment("e", (Arm("canary", "v3", 0.5),))
    assert start(running, larger, AGES).experiment == larger


def test_the_file_gives_back_what_was_written(tmp_path):
    path = tmp_path / "rollout.json"
    assert read_rollout(path) == Rollout()
    written = change_rollout(path, lambda old: shadow(start(old, CANARY, AGES), Shadow("v2", 0.5)))
    assert read_rollout(path) == written
    assert written.experiment == CANARY


def test_changes_at_once_are_all_made(tmp_path):
    path = tmp_path / "rollout.json"
    threads = [
        threading.Thread(
            target=partial(change_rollout, path, lambda old: pin(old, f"w{len(old.history)}", AGES))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_rollout(path).history == ("v3", *(f"w{i}" for i in range(7)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ('{"pin": "v1"}', "pin"),
        ('{"shadow": {"version": "v1", "share": 2}}', "share"),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, problem):
    path = tmp_path / "rollout.json"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=problem) as refused:
        read_rollout(path)
    assert str(path) in str(refused.value)
