import numpy as np
import pytest

from benchmarks.two_sample import classifier, energy, kolmogorov_smirnov, total_variation

LEVEL = 0.05


def test_distances_by_hand():
    assert kolmogorov_smirnov(np.array([1.0, 2.0]), np.array([2.0, 3.0])).distance == 0.5
    ten, other = np.repeat([0, 1], [80, 20]), np.repeat([0, 1], [50, 50])
    found = total_variation(ten, other)
    assert found.distance == pytest.approx(0.3)
    # Pearson: Σ (o − e)²/e with e = 65, 35 twice: 2·225/65 + 2·225/35 = 19.78, and χ²₁ beyond it has 8.7e-6.
    assert found.p_value == pytest.approx(8.7e-6, rel=0.01)
    # E|A − B| = 2, E|A − A′| = E|B − B′| = 0 for two points: H = 1.
    assert energy(np.zeros(5), np.full(5, 2.0), np.random.default_rng(0)).distance == pytest.approx(1.0)


def test_energy_is_that_of_scipy():
    from scipy.stats import energy_distance

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=70), rng.normal(0.5, 2, 40)
    cross = 2 * np.abs(a[:, None] - b).mean()
    expected = np.sqrt(energy_distance(a, b) ** 2 / cross)
    # scipy's distance is √(2 ∫(F_a − F_b)²) = √(2 E|A−B| − E|A−A′| − E|B−B′|).
    assert energy(a, b, rng).distance == pytest.approx(expected)


def test_rare_codes_are_one_cell():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 400, 500), rng.integers(0, 400, 500)
    assert total_variation(a, b).p_value > LEVEL
    assert total_variation(np.zeros(3, int), np.zeros(4, int)).p_value == 1.0


@pytest.mark.parametrize("test", [kolmogorov_smirnov, energy, classifier])
def test_equal_distributions_are_told_apart_in_one_case_of_twenty(test):
    rejected, rounds, bound = 0, *((15, 4) if test is classifier else (60, 9))
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=(120, 1)), rng.normal(size=(90, 1))
        arguments = (a, b, rng) if test is classifier else (a[:, 0], b[:, 0])
        rejected += (test(*arguments, rng) if test is energy else test(*arguments)).p_value < LEVEL
    # Binomial(60, .05) exceeds 9 with probability 1e-3, Binomial(15, .05) exceeds 4 with 6e-4.
    assert rejected <= bound


def test_rows_whose_columns_agree_one_by_one_are_told_apart_by_the_classifier_alone():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(1500, 2))
    x = rng.normal(size=1500)
    b = np.column_stack([x, 0.8 * x + 0.6 * rng.normal(size=1500)])
    assert all(kolmogorov_smirnov(a[:, i], b[:, i]).p_value > LEVEL for i in range(2))
    found = classifier(a, b, rng)
    assert found.p_value < 1e-6
    assert found.distance > 0.2
