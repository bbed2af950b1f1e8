"""int8 files: what they multiply, how near they are, and when they are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from nas.calibration.timing import Timing, TimingSettings
from nas.ctr.fields import group_by_cardinality
from nas.ctr.genotype import CtrGenotype
from nas.errors import SearchError
from nas.export.ctr_graph import CtrInputs, Platt, export_ctr, random_weights
from nas.export.quantised import METHODS, WORSE, Variant, best_variant, quantise, variants
from nas.export.trained import export_trained, run_rows
from tests.nas.export.test_trained import log, trained_subnet


@pytest.mark.parametrize("method", METHODS)
def test_products_with_learned_weights_are_in_integers_and_chances_stay_near(method: str) -> None:
    data = log()
    inputs, subnet = trained_subnet(data)
    content = export_trained(inputs, subnet, Platt(0.9, 0.1), data.test).content
    quantised = quantise(content, method, data.train)
    kinds = [node.op_type for node in onnx.load_from_string(quantised).graph.node]
    assert {"dynamic": "MatMulInteger", "static": "QuantizeLinear"}[method] in kinds
    # Bins are counted by a product with ones, which stays as it is.
    assert "MatMul" in kinds
    chances = [run_rows(each, data.test) for each in (content, quantised)]
    # Seven bits of the largest weight of a column, over a few layers: some hundredths of a logit.
    assert 0.0 < np.abs(chances[0] - chances[1]).max() < 0.05


def test_variants_are_judged_and_timed_beside_float32() -> None:
    data = log()
    inputs, subnet = trained_subnet(data)
    content = export_trained(inputs, subnet, Platt(), data.test).content
    quick = TimingSettings(rounds=2, visit_seconds=1e-4, max_extra_rounds=0)
    found = variants(content, data.train, data.test, 8, quick, np.random.default_rng(1))
    assert [variant.method for variant in found] == list(METHODS)
    plain = run_rows(content, data.test)
    for variant in found:
        chances = run_rows(variant.content, data.test)
        change = [-np.log(np.where(data.test.clicks > 0.5, c, 1.0 - c)).mean() for c in (chances, plain)]
        assert variant.loss_change == pytest.approx(change[0] - change[1], abs=1e-6)
        assert variant.low <= variant.loss_change <= variant.high
        assert variant.float32 == found[0].float32


def timing(p50: float, spread: float = 0.02) -> Timing:
    return Timing(p50, 2.0 * p50, spread, 40, 0)


GOOD = Variant("dynamic", b"", 0.0, -1e-4, 1e-4, timing(1.0), timing(1.2))


@pytest.mark.parametrize(
    ("variant", "pays"),
    [
        (GOOD, True),
        (replace(GOOD, float32=timing(1.03)), False),
        (replace(GOOD, float32=timing(1.2, 0.2)), False),
        (replace(GOOD, high=1.01 * WORSE), False),
        (replace(GOOD, high=float("nan")), False),
    ],
)
def test_a_variant_pays_if_it_is_faster_beyond_the_spread_and_not_worse(variant: Variant, pays: bool) -> None:
    assert variant.pays == pays
    assert best_variant([variant]) == (variant if pays else None)


def test_the_fastest_that_pays_is_kept() -> None:
    faster, worse = replace(GOOD, timing=timing(0.5)), replace(GOOD, timing=timing(0.1), high=1.0)
    assert best_variant([GOOD, faster, worse]) is faster
    assert faster.speed_up == pytest.approx(2.4)


def test_what_cannot_be_quantised_is_refused() -> None:
    data = log()
    inputs = CtrInputs(group_by_cardinality(data.num_ids), data.edges)
    content = export_ctr(inputs, CtrGenotype((0, 0)), random_weights(np.random.default_rng(1)))
    with pytest.raises(SearchError, match="has no products with weights to quantise"):
        quantise(content, "dynamic", data.train)
    with pytest.raises(SearchError, match="method = 'int4'"):
        quantise(content, "int4", data.train)
