import numpy as np
import onnxruntime
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.tree_graph import export_trees


@pytest.mark.parametrize("seed", range(3))
def test_trees_predict_in_onnxruntime_what_they_predict_in_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = [rng.normal(size=1500), rng.integers(0, 40, 1500) + 3, rng.exponential(size=1500)]
    x = np.column_stack([*columns, rng.integers(0, 5, 1500)]).astype(np.float32)
    clicks = x[:, 0] + x[:, 1] % 3 - x[:, 2] + rng.normal(size=1500) > 1.0
    seen, unseen = x[:1000], x[1000:]
    unseen[:50, 1] = 50.0  # an id that no tree has seen
    model = HistGradientBoostingClassifier(
        max_iter=30, categorical_features=[False, True, False, True], early_stopping=False, random_state=0
    ).fit(seen.astype(np.float64), clicks[:1000])
    session = onnxruntime.InferenceSession(export_trees(model), providers=["CPUExecutionProvider"])
    (exported,) = session.run(["ctr"], {"x": x})
    np.testing.assert_allclose(exported[:, 0], model.predict_proba(x.astype(np.float64))[:, 1], atol=1e-5)
