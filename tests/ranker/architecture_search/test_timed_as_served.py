"""Latency is measured under the options that the ranker serves with; neither package may import the other."""

from nas.calibration.runtimes import session_options
from ranker.scoring.onnx_scorer import _session_options


def test_a_model_is_timed_under_the_options_that_it_is_served_with() -> None:
    timed, served = session_options(1), _session_options()
    numbers = ("intra_op_num_threads", "inter_op_num_threads", "graph_optimization_level")
    for name in (*numbers, "execution_mode"):
        assert getattr(timed, name) == getattr(served, name)
    for entry in ("session.intra_op.allow_spinning", "session.inter_op.allow_spinning"):
        assert timed.get_session_config_entry(entry) == served.get_session_config_entry(entry) == "0"
