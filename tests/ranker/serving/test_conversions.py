import dataclasses

import numpy as np
import pytest

from ads.ranker.v1 import ranker_pb2
from ranker.errors import InvalidInputError
from ranker.serving.answer_conversion import answer_from_proto, answer_to_proto
from ranker.serving.request_conversion import request_from_proto, request_to_proto
from ranker.slate import (
    Candidates,
    Constraint,
    ConstraintReport,
    Context,
    Creative,
    Decision,
    RankRequest,
    Relation,
    ShownAd,
)

BANNER = Creative("banner", {"headline": "new", "button": "buy"}, 0.25, 3, 0.01, "ab", 7, exact=True)


def request(*constraints):
    return RankRequest(
        "r",
        "page",
        Context(),
        Candidates(("a", "b"), np.array([1.0, 2.0]), ctr=np.array([0.1, 0.2])),
        1,
        constraints,
        np.arange(2.0 * len(constraints)).reshape(len(constraints), 2),
    )


def decision(*creatives):
    shown = [ShownAd(f"ad {j}", 0.1, 0.2, 1.0 / (j + 1), 0.5, each) for j, each in enumerate(creatives)]
    report = ConstraintReport("one", Relation.AT_LEAST, 0.5, 0.6, 0.1, 0.0, met=True)
    return Decision(
        "r", "hash", 1.0, "page", "", "p", {}, ("a",), (0.1,), ((0,),), (1.0,), 0.02, 0.98, tuple(shown),
        (report,), "optimal", 3, 1.0, 1.5, True, {}, "curve",
    )  # fmt: skip


def test_an_answer_reads_as_the_decision_whether_its_ads_share_creatives_or_not():
    other = dataclasses.replace(BANNER, elements={"headline": "old"}, exact=False)
    kept = decision(BANNER, None, other, BANNER, None)
    answer = answer_from_proto(answer_to_proto(kept, {"score": 0.5}))
    assert answer.slate == kept.shown
    assert answer.constraints == kept.constraints
    assert answer.stage_seconds == {"score": 0.5}
    assert answer.gap == 0.5


def test_constraints_that_were_seen_before_are_read_as_those_of_the_message():
    first, second = Constraint("x", Relation.AT_MOST, 1.0), Constraint("y", Relation.AT_LEAST, 0.5)
    for asked in ([first, second], [second, first], [dataclasses.replace(first, limit=2.0)], [first]):
        assert list(request_from_proto(request_to_proto(request(*asked))).constraints) == asked


@pytest.mark.parametrize("index", [0, 1])
def test_a_wrong_constraint_is_named_by_its_place_each_time(index):
    message = request_to_proto(
        request(Constraint("x", Relation.AT_MOST, 1.0), Constraint("y", Relation.AT_MOST, 1.0))
    )
    message.constraints[index].relation = ranker_pb2.RELATION_UNSPECIFIED
    for _ in range(2):
        with pytest.raises(InvalidInputError) as error:
            request_from_proto(message)
        assert error.value.field == f"constraints[{index}].relation"


def test_rows_of_constraint_weights_are_taken_by_name():
    asked = request(Constraint("x", Relation.AT_MOST, 1.0), Constraint("y", Relation.AT_MOST, 1.0))
    message = request_to_proto(asked)
    in_order = request_from_proto(message)
    message.constraint_weights.constraint_names[:] = ["y", "x"]
    turned = request_from_proto(message)
    np.testing.assert_array_equal(in_order.constraint_weights, [[0.0, 1.0], [2.0, 3.0]])
    np.testing.assert_array_equal(turned.constraint_weights, [[2.0, 3.0], [0.0, 1.0]])
