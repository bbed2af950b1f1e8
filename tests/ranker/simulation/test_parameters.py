import json
from dataclasses import asdict

import pytest

from ranker.errors import InvalidInputError
from ranker.simulation.parameters import WorldParameters, read_parameters, version
from ranker.strict_toml import from_object
from tests.ranker.simulation.worlds import PARAMETERS


def test_parameters_of_another_format_are_refused(tmp_path):
    path = tmp_path / "p.json"
    path.write_text('{"format": "old"}')
    with pytest.raises(InvalidInputError):
        read_parameters(path)


def test_a_world_is_named_by_its_content(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(asdict(PARAMETERS)))
    assert version(read_parameters(path)) == version(PARAMETERS)
    changed = asdict(PARAMETERS)
    changed["tastes"]["ad_scale"] = 0.1
    path.write_text(json.dumps(changed))
    assert version(read_parameters(path)) != version(PARAMETERS)


@pytest.mark.parametrize(
    ("part", "changes", "named"),
    [
        ("attention", {"curve": [1.0, 0.5]}, "attention.low.length = 10"),
        ("attention", {"curve": [1.0] * 9 + [1.1]}, r"attention.curve = \(1.0.*1.1\)"),
        ("attention", {"low": [1.0] * 10}, "attention.curve .*low … high"),
        ("attention", {"curve": [], "low": [], "high": []}, r"attention.curve = \(\)"),
        ("attention", {"perseverance": 1.5}, "attention.perseverance = 1.5"),
        ("delays", {"weights": [1.0]}, "delays.log_means.length = 2"),
        ("delays", {"weights": [1.5, -0.5]}, r"delays.weights = \(1.5, -0.5\)"),
        ("delays", {"log_scales": [0.0, 1.0]}, r"delays.log_scales = \(0.0, 1.0\)"),
        ("segments", {"names": [], "shares": [], "logits": []}, r"segments.shares = \(\)"),
        ("season", {"volume": [1.0]}, "season.volume.length = 1"),
        ("tastes", {"ad_scale": -1.0}, "tastes.ad_scale = -1.0"),
    ],
)
def test_broken_parameters_are_named(part, changes, named):
    content = json.loads(json.dumps(asdict(PARAMETERS)))
    content[part] |= changes
    with pytest.raises(InvalidInputError, match=named):
        from_object(content, WorldParameters, "own.json")
