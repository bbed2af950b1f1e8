import numpy as np

from nas.cell import Cell
from nas.graph_predictor import GraphRegressor
from nas.regression import NetEnsemble, _gradients


def test_gradients_are_those_of_finite_differences() -> None:
    rng = np.random.default_rng(1)
    codes, target = rng.normal(size=(7, 3)), rng.normal(size=7)
    layers = NetEnsemble(num_members=2, widths=(4, 5))._start(3, rng)

    def loss() -> float:
        hidden = np.broadcast_to(codes, (2, 7, 3))
        for index, weights in enumerate(layers):
            hidden = hidden @ weights[:, :-1] + weights[:, -1:]
            hidden = np.maximum(hidden, 0.0) if index < 2 else hidden
        return float(((hidden[:, :, 0] - target) ** 2).mean(axis=1).sum())

    for part, gradient in zip(layers, _gradients(layers, codes, target), strict=True):
        for index in list(np.ndindex(part.shape))[::5]:
            kept = part[index]
            part[index] = kept + 1e-6
            up = loss()
            part[index] = kept - 1e-6
            slope = (up - loss()) / 2e-6
            part[index] = kept
            assert abs(slope - gradient[index]) < 1e-5


def test_an_ensemble_learns_a_linear_function_and_knows_where_it_has_no_data() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 2, (200, 6)).astype(float)
    values = 70.0 + codes @ np.array([3.0, -2.0, 1.0, 0.0, 0.5, -1.0])
    predict = NetEnsemble()(codes[:150], values[:150], np.random.default_rng(3))
    members = predict(codes[150:])
    assert members.shape == (5, 50)
    # The values have a deviation of 2; an ensemble that had learned nothing would be off by that.
    assert np.abs(members.mean(axis=0) - values[150:]).mean() < 0.3
    assert predict(codes[:1] + 20.0).std() > 5.0 * members.std(axis=0).mean()


def test_the_same_seed_gives_the_same_bytes() -> None:
    codes, values = np.eye(12), np.arange(12.0)
    once, again = (NetEnsemble()(codes, values, np.random.default_rng(4))(codes) for _ in range(2))
    assert once.tobytes() == again.tobytes()


def test_constant_values_are_predicted_as_they_are() -> None:
    predict = NetEnsemble()(np.eye(5), np.full(5, 42.0), np.random.default_rng(5))
    np.testing.assert_allclose(predict(np.eye(5)), 42.0, atol=0.2)


def test_graph_convolutions_learn_which_path_matters() -> None:
    cell = Cell(((0, 1), (0, 2), (1, 2)), ("none", "skip", "conv"))
    rng = np.random.default_rng(6)
    cells = [cell.space.sample(rng) for _ in range(120)]
    # A cell is worth its number of convolutions on live edges.
    values = cell.operation_counts(cells)[:, -1]
    regress = GraphRegressor(cell.adjacency(), 3, widths=(32, 32), steps=150)
    codes = cell.space.one_hot(cells)
    predicted = regress(codes[:90], values[:90], np.random.default_rng(7))(codes[90:])
    assert predicted.shape == (1, 30)
    assert np.corrcoef(predicted[0], values[90:])[0, 1] > 0.9
