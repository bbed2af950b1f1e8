import numpy as np

from nas.pareto import crowding, front, hypervolume, ranks


def test_a_front_by_hand() -> None:
    quality = np.array([3.0, 1.0, 2.0, 2.0, 3.0])
    latency = np.array([5.0, 1.0, 2.0, 3.0, 5.0])
    assert front(quality, latency).tolist() == [1, 2, 0]
    assert ranks(quality, latency).tolist() == [0, 0, 0, 1, 0]
    # Above (0, 6): 1·(6−1) + 1·(6−2) + 1·(6−5).
    assert hypervolume(quality, latency, (0.0, 6.0)) == 10.0


def test_fronts_are_what_pairwise_comparison_says() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        quality, latency = rng.integers(1, 8, (2, 30)).astype(float)
        beaten = [
            any(q2 >= q and t2 <= t and (q2 > q or t2 < t) for q2, t2 in zip(quality, latency, strict=True))
            for q, t in zip(quality, latency, strict=True)
        ]
        assert (ranks(quality, latency) == 0).tolist() == [not b for b in beaten]
        chosen = {(quality[i], latency[i]) for i in front(quality, latency)}
        unbeaten = {(q, t) for q, t, b in zip(quality, latency, beaten, strict=True) if not b}
        assert chosen == unbeaten


def test_hypervolume_is_the_share_of_random_points_that_are_beaten() -> None:
    rng = np.random.default_rng(4)
    quality, latency = rng.random((2, 12))
    points = rng.random((2, 200_000))
    beaten = np.zeros(points.shape[1], bool)
    for q, t in zip(quality, latency, strict=True):
        beaten |= (points[0] <= q) & (points[1] >= t)
    # One deviation is at most √(.25/200000) = .0011; four of them.
    assert abs(hypervolume(quality, latency, (0.0, 1.0)) - beaten.mean()) < 0.0045


def test_points_beyond_the_worst_add_nothing() -> None:
    assert hypervolume(np.array([1.0]), np.array([7.0]), (0.0, 6.0)) == 0.0


def test_ends_of_a_front_have_infinite_room() -> None:
    room = crowding(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 5.0]))
    assert np.isinf(room[[0, 2]]).all()
    assert room[1] == 2.0
