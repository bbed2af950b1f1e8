from itertools import product

import numpy as np

from ranker.simulation.examination import Chain, PositionBased


def test_position_based_clicks_need_a_look_and_a_liking():
    model = PositionBased(np.array([1.0, 0.5]))
    ctr = np.array([[0.3, 0.3], [0.3, 0.3]])
    uniforms = np.array([[0.9, 0.6, 0.2, 0.2, 0, 0], [0.9, 0.4, 0.4, 0.2, 0, 0]])
    looked, clicked = model.clicks(ctr, uniforms)
    assert looked.tolist() == [[True, False], [True, True]]
    assert clicked.tolist() == [[True, False], [False, True]]


def test_a_cascade_user_clicks_once_and_leaves():
    ctr = np.full((1, 3), 0.5)
    looked, clicked = Chain(1.0, 1.0).clicks(ctr, np.array([[0, 0, 0, 0.9, 0.1, 0.1, 0.5, 0.5, 0.5]]))
    assert looked.tolist() == [[True, True, False]]
    assert clicked.tolist() == [[False, True, False]]


def test_a_dbn_user_may_lose_patience_without_a_click():
    ctr = np.full((1, 3), 0.5)
    looked, _ = Chain(0.2, 0.8).clicks(ctr, np.array([[0.1, 0.9, 0.1, 0.9, 0.9, 0.9, 0, 0, 0]]))
    assert looked.tolist() == [[True, True, False]]


def test_click_chances_are_those_of_every_way_to_read_a_slate():
    ctr, satisfaction, perseverance = np.array([[0.3, 0.6, 0.2]]), 0.4, 0.7
    expected = np.zeros(3)
    for clicks in product((0, 1), repeat=3):
        for leaves in product((0, 1), repeat=3):
            chance, reading = 1.0, 1.0
            for j in range(3):
                chance *= ctr[0, j] if clicks[j] else 1 - ctr[0, j]
                stop = 1 - perseverance * (1 - satisfaction if clicks[j] else 1)
                chance *= stop if leaves[j] else 1 - stop
            for j in range(3):
                expected[j] += chance * clicks[j] * reading
                reading = 0.0 if leaves[j] else reading
    np.testing.assert_allclose(Chain(satisfaction, perseverance).click_chances(ctr)[0], expected, rtol=1e-12)


def test_clicks_happen_as_often_as_their_chances_say():
    rng = np.random.default_rng(0)
    ctr = np.tile(rng.uniform(0.05, 0.6, 4), (40_000, 1))
    uniforms = rng.random((40_000, 12))
    for model in (PositionBased(np.array([1, 0.7, 0.5, 0.2])), Chain(1.0, 1.0), Chain(0.3, 0.8)):
        chance = model.click_chances(ctr)[0]
        found = model.clicks(ctr, uniforms)[1].mean(axis=0)
        # 4 standard errors of a share
        assert (np.abs(found - chance) < 4 * np.sqrt(chance * (1 - chance) / 40_000)).all()
