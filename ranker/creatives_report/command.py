"""The commands `adranker creatives report` and `adranker creatives retire`."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
from pathlib import Path
from typing import Annotated

import typer

from ranker.errors import InvalidInputError, StateError

creatives_app = typer.Typer(help="Which elements win, and which may go.", no_args_is_help=True)

Home_ = Annotated[Path, typer.Option("--home", help="Directory of schemas, models, creatives and events.")]
Margin = Annotated[float, typer.Option(help="Log odds within which an element counts as near the best.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


@creatives_app.command("report")
def report_command(
    home: Home_ = Path("var/serve"),
    out: Annotated[Path, typer.Option(help="The HTML report.")] = Path("creatives.html"),
    csv: Annotated[Path | None, typer.Option(help="Also one line an element, as CSV.")] = None,
    margin: Margin = 0.05,
    as_json: AsJson = False,
) -> None:
    """Write which elements win, how surely and in which company."""
    from ranker.creatives_report.findings import findings
    from ranker.creatives_report.page import as_csv, as_plain, render
    from ranker.home import Home

    found = findings(Home(home), _margin(margin))
    _write(out, render(found, margin))
    if csv is not None:
        _write(csv, as_csv(found))
    typer.echo(json.dumps(as_plain(found)) if as_json else f"{out}: posterior {found.posterior.version}")


@creatives_app.command("retire")
def retire_command(
    home: Home_ = Path("var/serve"),
    apply: Annotated[
        bool, typer.Option(help="Write the new catalogue; else only say what would go.")
    ] = False,
    min_impressions: Annotated[float, typer.Option(help="Impressions before an element may go.")] = 1_000,
    max_probability: Annotated[float, typer.Option(help="Chance, at most, to be near the best.")] = 0.01,
    margin: Margin = 0.05,
) -> None:
    """Take clear losers out of the catalogue's spaces; a dry run unless --apply. Prints one line of JSON."""
    from bandit.retirement import RetirementRule, losers, without
    from bandit.space import CreativeCatalogue
    from ranker.creatives_report.findings import findings
    from ranker.home import Home

    rule = RetirementRule(min_impressions, max_probability)
    place = Home(home)
    found = findings(place, _margin(margin))
    current = CreativeCatalogue.from_json(place.catalogue.read_text()).version
    if current != found.posterior.catalogue.version:
        raise StateError("catalogue", current, "is not the one of the latest posterior: learn first")
    retired = {space.space_id: losers(space.elements, rule) for space in found.spaces}
    catalogue = found.posterior.catalogue
    thinned = without(catalogue, retired)
    applied = apply and thinned.version != catalogue.version
    if applied:
        _write(place.catalogue, thinned.to_json())
    summary = {
        "retired": {name: [f"{i.slot}: {i.element}" for i in items] for name, items in retired.items()},
        "catalogue_version": catalogue.version,
        "new_catalogue_version": thinned.version,
        "applied": applied,
    }
    typer.echo(json.dumps(summary))


def _margin(value: float) -> float:
    if not value >= 0.0:
        raise InvalidInputError("margin", value, "must be at least 0")
    return value


def _write(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
