"""The commands `adranker models …`: which model answers whom."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ranker.errors import NotFoundError
from ranker.home import Home
from ranker.rollout.changes import follow_newest, pin, promote, roll_back, served, shadow, start
from ranker.rollout.plan import Arm, Bounds, Experiment, Rollout, Shadow
from ranker.rollout.rollout_file import ROLLOUT_FILE, change_rollout, read_rollout

HomeOption = Annotated[Path, typer.Option(help="Directory of schemas, models, creatives and events.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
SchemaId = Annotated[str, typer.Argument(help="Whose models.")]
Version = Annotated[str, typer.Argument(help="A model's version, of `adranker models list`.")]
Share = Annotated[float, typer.Option(help="Of the units (shadow: of the requests).")]
DEFAULT = Bounds()
Change = Callable[[Rollout, list[str]], Rollout]

models_app = typer.Typer(
    help="Say which model answers whom. Servers follow within their reload_seconds.", no_args_is_help=True
)


@models_app.command("list")
def list_command(schema_id: SchemaId, home: HomeOption = Path("var/serve"), as_json: Json = False) -> None:
    """Show a schema's models, oldest first, and its rollout."""
    ages = _ages(home, schema_id)
    _tell(schema_id, read_rollout(_file(home, schema_id)), ages, as_json)


@models_app.command("pin")
def pin_command(
    schema_id: SchemaId, version: Version, home: HomeOption = Path("var/serve"), as_json: Json = False
) -> None:
    """Let one version answer everything; ends an experiment."""
    _check_version(home, schema_id, version)
    _change(home, schema_id, lambda rollout, ages: pin(rollout, version, ages), as_json)


@models_app.command("unpin")
def unpin_command(schema_id: SchemaId, home: HomeOption = Path("var/serve"), as_json: Json = False) -> None:
    """Let each new model answer everything as it comes."""
    _change(home, schema_id, lambda rollout, _: follow_newest(rollout), as_json)


@models_app.command("rollback")
def rollback_command(
    schema_id: SchemaId, home: HomeOption = Path("var/serve"), as_json: Json = False
) -> None:
    """End the experiment, or without one go back to the version that was served before."""
    _change(home, schema_id, roll_back, as_json)


@models_app.command("experiment")
def experiment_command(
    schema_id: SchemaId,
    name: Annotated[str, typer.Argument(help="Part of the unit's hash and the draw's: new name, new arms.")],
    arm: Annotated[list[str], typer.Option(help="NAME=VERSION=SHARE; repeatable.")],
    max_calibration_ratio: Annotated[
        float, typer.Option(help="Clicks per expected click, to the control's, either way.")
    ] = DEFAULT.max_calibration_ratio,
    max_score_seconds: Annotated[
        float, typer.Option(help="Nine of ten scorings take no longer.")
    ] = DEFAULT.max_score_seconds,
    home: HomeOption = Path("var/serve"),
    as_json: Json = False,
) -> None:
    """Give shares of the units other models, beside what is served now; again to change the shares."""
    bounds = Bounds(max_calibration_ratio, max_score_seconds)
    experiment = Experiment(name, tuple(_arm(text) for text in arm), bounds)
    for each in experiment.arms:
        _check_version(home, schema_id, each.version)
    _change(home, schema_id, lambda rollout, ages: start(rollout, experiment, ages), as_json)


@models_app.command("promote")
def promote_command(
    schema_id: SchemaId,
    arm: Annotated[str, typer.Argument(help="Of the running experiment.")],
    home: HomeOption = Path("var/serve"),
    as_json: Json = False,
) -> None:
    """End the experiment; the arm's model answers everything."""
    _change(home, schema_id, lambda rollout, ages: promote(rollout, arm, ages), as_json)


@models_app.command("shadow")
def shadow_command(
    schema_id: SchemaId,
    version: Annotated[str, typer.Argument(help="A model's version; none ends the shadow.")] = "",
    share: Share = 1.0,
    home: HomeOption = Path("var/serve"),
    as_json: Json = False,
) -> None:
    """Let a model score answered requests again, for the metrics alone."""
    if version:
        _check_version(home, schema_id, version)
    chosen = Shadow(version, share) if version else None
    _change(home, schema_id, lambda rollout, _: shadow(rollout, chosen), as_json)


def _arm(text: str) -> Arm:
    name, _, rest = text.partition("=")
    version, _, share = rest.partition("=")
    try:
        return Arm(name, version, float(share))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not NAME=VERSION=SHARE", param_hint="--arm") from None


def _change(home: Path, schema_id: str, change: Change, as_json: bool) -> None:
    ages = _ages(home, schema_id)
    _tell(schema_id, change_rollout(_file(home, schema_id), lambda old: change(old, ages)), ages, as_json)


def _file(home: Path, schema_id: str) -> Path:
    return Home(home).models / schema_id / ROLLOUT_FILE


def _ages(home: Path, schema_id: str) -> list[str]:
    """Returns the schema's versions, oldest first."""
    from ranker.scoring.model_store import model_directories

    place = Home(home)
    place.check()
    directories = model_directories(place.models)
    if schema_id not in directories:
        raise NotFoundError("schema_id", schema_id, f"has no models: there are {sorted(directories)}")
    return [directory.name for directory in directories[schema_id]]


def _check_version(home: Path, schema_id: str, version: str) -> None:
    ages = _ages(home, schema_id)
    if version not in ages:
        raise NotFoundError("version", version, f"no such model of {schema_id}: there are {ages}")


def _tell(schema_id: str, rollout: Rollout, ages: list[str], as_json: bool) -> None:
    told = {"schema_id": schema_id, "served": served(rollout, ages), "models": ages}
    told |= msgspec.to_builtins(rollout)
    typer.echo(json.dumps(told, indent=None if as_json else 2))
