from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bandit.learner import CreativeLearner, LearnerSettings
from bandit.outcomes import CreativeOutcome
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot
from ranker.creatives_report.command import creatives_app
from ranker.errors import InvalidInputError, NotFoundError, StateError
from ranker.home import Home

CATALOGUE = CreativeCatalogue(
    (ContextField("site", 2),),
    (Slot("picture", ("cat", "dog", "bird")), Slot("colour", ("red", "green"))),
    (CreativeSpace("banner", ("site",)),),
)
RATES = {"cat": 0.5, "dog": 0.5, "bird": 0.05}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that has learned that birds lose; red and green are alike."""
    place = Home(tmp_path_factory.mktemp("home"))
    place.catalogue.parent.mkdir(parents=True)
    place.catalogue.write_text(CATALOGUE.to_json())
    rng = np.random.default_rng(0)
    outcomes = [
        CreativeOutcome(
            "banner",
            {"site": int(rng.integers(2))},
            {
                "picture": (picture := str(rng.choice(list(RATES)))),
                "colour": str(rng.choice(["red", "green"])),
            },
            float(rng.random() < RATES[picture]),
        )
        for _ in range(3000)
    ]
    CreativeLearner(CATALOGUE, place.posteriors, LearnerSettings()).learn(outcomes, 1, 0.0)
    return place


def run(*arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(creatives_app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_report_tells_winners_and_losers(home: Home, tmp_path: Path) -> None:
    page, table = tmp_path / "report.html", tmp_path / "elements.csv"
    found = run("report", "--home", str(home.root), "--out", str(page), "--csv", str(table), "--json")
    text = page.read_text()
    assert "Space banner" in text
    assert text.count("<svg") == 3
    assert "http://" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    rows = {row["element"]: row for row in csv.DictReader(table.read_text().splitlines())}
    assert float(rows["bird"]["best"]) == 0.0
    assert float(rows["bird"]["high"]) < 0.0
    assert found["num_impressions"] == 3000.0


def test_retirement_is_a_dry_run_until_it_is_applied(home: Home) -> None:
    before = home.catalogue.read_text()
    planned = run("retire", "--home", str(home.root), "--min-impressions", "500")
    assert planned["retired"] == {"banner": ["picture: bird"]}
    assert planned["applied"] is False
    assert home.catalogue.read_text() == before
    assert run("retire", "--home", str(home.root), "--min-impressions", "1e6")["retired"] == {"banner": []}
    try:
        applied = run("retire", "--home", str(home.root), "--min-impressions", "500", "--apply")
        thinned = CreativeCatalogue.from_json(home.catalogue.read_text())
        assert thinned.version == applied["new_catalogue_version"]
        assert thinned.space("banner").elements["picture"] == ("cat", "dog")
        # Not twice, before the learner knows of it.
        with pytest.raises(StateError, match="learn first"):
            run("retire", "--home", str(home.root))
    finally:
        home.catalogue.write_text(before)


def test_home_without_posterior_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no posterior"):
        run("report", "--home", str(tmp_path))


def test_negative_margin_is_our_error(home: Home) -> None:
    with pytest.raises(InvalidInputError, match="margin"):
        run("report", "--home", str(home.root), "--margin", "-1")
