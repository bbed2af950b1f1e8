"""Keeps what a long benchmark has measured, so that it can go on where it was stopped."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Checkpoint:
    """Holds rows by name, and in a file if it has a path: its first line says what was asked for.

    Raises ValueError where the file answers another question. After `seconds` no new row is begun.
    """

    def __init__(self, path: str, asked: dict[str, Any], seconds: float) -> None:
        self._path, self._until = path, time.monotonic() + seconds
        self._rows: dict[str, dict[str, Any]] = {}
        asked = json.loads(json.dumps(asked))
        if path and Path(path).exists():
            first, *lines = Path(path).read_text().splitlines()
            if json.loads(first) != asked:
                raise ValueError(f"{path} was begun with {first}, not with {json.dumps(asked)}")
            self._rows = {each["name"]: each for each in map(json.loads, lines)}
        elif path:
            Path(path).write_text(json.dumps(asked) + "\n")

    def row(self, name: str, measure: Callable[[], Any]) -> Any:
        """Returns the row of that name, measured now unless it was before."""
        if name not in self._rows:
            if time.monotonic() > self._until:
                raise SystemExit(
                    f"{len(self._rows)} rows are done: run again with the same --resume {self._path}"
                )
            began = time.perf_counter()
            # Through JSON, so that a row is the same whether it was measured now or before.
            row = json.loads(json.dumps(measure()))
            seconds = round(time.perf_counter() - began, 3)
            kept = {"name": name, "row": row, "seconds": seconds, "load": os.getloadavg()[0]}
            self._rows[name] = kept
            if self._path:
                with Path(self._path).open("a") as file:
                    file.write(json.dumps(kept) + "\n")
        return self._rows[name]["row"]

    def conditions(self) -> dict[str, float]:
        """Returns the seconds of all rows and the least and greatest load of the machine after one."""
        rows = self._rows.values()
        loads = [row["load"] for row in rows]
        seconds = sum(row["seconds"] for row in rows)
        return {"seconds": round(seconds), "least_load": min(loads), "most_load": max(loads)}
