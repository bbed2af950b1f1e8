"""Model directories `<root>/<schema_id>/<version>/`: written whole or not at all, found by their cards."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ranker.errors import NotFoundError
from ranker.scoring.card import CARD_FILE, MODEL_FILE, card_json, read_card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ranker.scoring.card import Card


def write_model(root: Path, card: Card, onnx_bytes: bytes, plots: Mapping[str, bytes]) -> Path:
    """Writes model, card and plots and returns their directory.

    A reader sees the directory complete or absent. Training that yields a model which is already there renews
    its card: the version is the model's content, so nothing else can differ.
    """
    target = root / card.schema.schema_id / card.model_version
    target.parent.mkdir(parents=True, exist_ok=True)
    # On the same file system, and hidden from `find_models`.
    temporary = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
    try:
        # The card comes last: where the directory exists, its files are replaced in this order.
        files = {**plots, MODEL_FILE: onnx_bytes, CARD_FILE: card_json(card).encode()}
        for name, content in files.items():
            (temporary / name).write_bytes(content)
        if target.exists():
            for name in files:
                (temporary / name).replace(target / name)
        else:
            temporary.chmod(0o755)
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def find_models(root: Path) -> dict[str, Path]:
    """Returns the directory of the newest model of each schema id."""
    return {schema_id: versions[-1] for schema_id, versions in model_directories(root).items()}


def model_directories(root: Path) -> dict[str, list[Path]]:
    """Returns the directories of each schema id's models, oldest first by their cards' `created_at`."""
    if not root.is_dir():
        raise NotFoundError("models", str(root), "no such directory")
    found: dict[str, list[tuple[datetime, Path]]] = {}
    for path in sorted(root.glob(f"*/*/{CARD_FILE}")):
        directory = path.parent
        if directory.name.startswith("."):
            continue
        card = read_card(directory)
        found.setdefault(card.schema.schema_id, []).append((card.created_at, directory))
    return {schema_id: [path for _, path in sorted(aged)] for schema_id, aged in found.items()}
