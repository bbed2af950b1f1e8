"""Renders a template into one HTML file without external resources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Card:
    """One headline of a page: `cards.html` shows them."""

    number: str
    title: str
    text: str
    mark: str = ""  # good, bad or neither


def render_page(
    template: Path, plots: Mapping[str, str], filters: Mapping[str, Callable[..., str]], **content: Any
) -> str:
    """Returns the page of a template beside this package's style; `plots` are SVG that we drew ourselves."""
    environment = Environment(
        loader=FileSystemLoader([template.parent, _HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    # The one place where markup is not escaped.
    drawn = {name: Markup(text) for name, text in plots.items()}  # noqa: S704
    return environment.get_template(template.name).render(plots=drawn, **content)


def percent(value: float, digits: int = 0) -> str:
    """Returns a share as text."""
    return f"{value:.{digits}%}"
