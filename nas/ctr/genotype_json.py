"""Genotypes as JSON types."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from nas.ctr.genotype import CtrGenotype, Tower
from nas.errors import SearchError


def genotype_to_object(genotype: CtrGenotype) -> dict[str, Any]:
    """Writes a genotype as JSON types; equal genotypes give equal objects."""
    written = asdict(genotype)
    written["dims"] = list(genotype.dims)
    return written


def genotype_from_object(written: object) -> CtrGenotype:
    """Reads what `genotype_to_object` wrote.

    Raises:
        SearchError: names what is missing, unknown or wrong.
    """
    if not isinstance(written, dict):
        raise SearchError("genotype", written, "must be an object")
    names = {field.name for field in fields(CtrGenotype)}
    for name in names ^ written.keys():
        raise SearchError(f"genotype.{name}", written.get(name), "is missing or unknown")
    values: dict[str, Any] = {**written, "dims": tuple(written["dims"])}
    values |= {name: Tower(**written[name]) for name in ("tower", "second")}
    return CtrGenotype(**values)
