"""Who plays where: the worlds and the policies of `benchmarks.creatives`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bandit
from benchmarks import creatives_autoco, creatives_libraries, creatives_ours, creatives_rivals
from benchmarks.creatives_autoco import AutoCo, Variant
from benchmarks.creatives_generated import Knobs, generate
from benchmarks.creatives_libraries import VW_OPTIONS, MabWiser, VowpalWabbit
from benchmarks.creatives_ours import Shipped
from benchmarks.creatives_public import adult, mushroom
from benchmarks.creatives_rivals import Independent, OneHot, Uniform
from benchmarks.creatives_tables import aes, autoco

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.creatives_tables import Policy, Table

SOURCES: dict[type[Any], list[str]] = {
    Shipped: [creatives_ours.__file__, *sorted(map(str, Path(bandit.__path__[0]).glob("*.py")))],
    **{policy: [creatives_rivals.__file__] for policy in (Uniform, Independent, OneHot)},
    **{policy: [creatives_libraries.__file__] for policy in (VowpalWabbit, MabWiser)},
    AutoCo: [creatives_autoco.__file__],
}


@dataclass(frozen=True)
class Player:
    """A policy with its settings; `slow` ones play fewer seeds; `worlds`: where, everywhere by default."""

    policy: type[Any]
    settings: dict[str, Any] = field(default_factory=dict)
    slow: bool = False
    worlds: tuple[str, ...] = ()

    def on(self, table: Table, seed: int) -> Policy:
        """Makes the policy."""
        made: Policy = self.policy(table, seed, **self.settings)
        return made

    @property
    def digest(self) -> str:
        """Identifies the settings and the code of the policy."""
        code = b"".join(Path(name).read_bytes() for name in SOURCES[self.policy])
        return hashlib.sha256(repr(self.settings).encode() + code).hexdigest()[:12]


LISTED = ("autoco", "aes")
PUBLIC = ("adult", "mushroom")
TWO = ("adult", "mushroom", "autoco")
PLAYERS = {
    "shipped": Player(Shipped),
    "random": Player(Uniform),
    "independent TS": Player(Independent),
    "independent TS, by creative": Player(Independent, {"shared": True}),
    "one-hot LinTS": Player(OneHot),
    "logistic TS": Player(OneHot, {"logistic": True, "scale": 1.0}),
    "logistic TS, scale 0.7": Player(OneHot, {"logistic": True, "scale": 0.7}),
    "logistic TS, scale 0.5": Player(OneHot, {"logistic": True, "scale": 0.5}),
    "AES: LinTS on the tree": Player(OneHot, {"pairs": "tree"}, worlds=("aes",)),
    "logistic TS on the tree, scale 0.5": Player(
        OneHot, {"logistic": True, "scale": 0.5, "pairs": "tree"}, worlds=("aes",)
    ),
    "LinTS, context pairs": Player(OneHot, {"pairs": "context"}, slow=True, worlds=PUBLIC),
    "logistic TS, context pairs": Player(
        OneHot, {"logistic": True, "scale": 1.0, "pairs": "context"}, slow=True, worlds=PUBLIC
    ),
    "VW bag": Player(VowpalWabbit, {"options": VW_OPTIONS["bag"]}, slow=True, worlds=TWO),
    "VW squarecb": Player(VowpalWabbit, {"options": VW_OPTIONS["squarecb"]}, slow=True, worlds=TWO),
    "VW cover": Player(VowpalWabbit, {"options": VW_OPTIONS["cover"]}, slow=True, worlds=TWO),
    "VW regcb": Player(VowpalWabbit, {"options": VW_OPTIONS["regcb"]}, slow=True, worlds=TWO),
    "MABWiser": Player(MabWiser, slow=True),
    "FM-TS mean-field": Player(AutoCo, {"variant": Variant(searches=False)}, slow=True, worlds=TWO),
    "AutoCO repaired": Player(AutoCo, {"variant": Variant()}, slow=True, worlds=TWO),
    "AutoCO as released": Player(
        AutoCo, {"variant": Variant(restarts=True, num_draws=0)}, slow=True, worlds=TWO
    ),
}
KNOBS = {
    "interactions 0 %": Knobs(),
    "interactions 2 %": Knobs(interactions=0.02),
    "interactions 20 %": Knobs(interactions=0.2),
    "interactions 50 %": Knobs(interactions=0.5),
    "click rate × 0.1": Knobs(interactions=0.02, ctr=0.005),
    "churn 5 % a day": Knobs(interactions=0.02, churn=0.05),
    "drift 10 % a day": Knobs(interactions=0.02, drift=0.1),
    "delay 10,000": Knobs(interactions=0.02, delay=10_000),
    "delay 50,000": Knobs(interactions=0.02, delay=50_000),
}
PUBLISHED: dict[str, tuple[str, Callable[[Path], Table]]] = {
    "autoco": ("autoco_world/autoco_world.npz", autoco),
    "aes": ("aes_creative_elements/ctr_online.txt", aes),
    "adult": ("autoco_public", adult),
    "mushroom": ("autoco_public", mushroom),
}
ON_KNOBS = ("shipped", "random", "logistic TS", "logistic TS, scale 0.5", "logistic TS, all pairs")
PLAYERS["logistic TS, all pairs"] = Player(
    OneHot, {"logistic": True, "scale": 1.0, "pairs": "all"}, worlds=("aes", *KNOBS)
)


def plays(name: str, world: str) -> bool:
    """Tells whether a policy takes part in a world."""
    worlds = PLAYERS[name].worlds
    return name in ON_KNOBS if world in KNOBS else not worlds or world in worlds


@cache
def published(world: str, data: Path) -> Table:
    """Reads a published world."""
    path, read = PUBLISHED[world]
    return read(data / path)


def table_of(world: str, data: Path | None, seed: int) -> Table:
    """Reads a published world, or draws one of our own: a new one for each seed."""
    if world in KNOBS:
        return generate(KNOBS[world], seed)
    if data is None:
        raise SystemExit(f"--data is missing: {world} is read from there")
    return published(world, data)
