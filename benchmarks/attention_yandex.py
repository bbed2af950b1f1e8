"""The public Yandex click sessions as `Sessions`, split by a seeded hash."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from ranker.attention.click_log import Sessions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FILES = ("trainSample.txt", "testSample.txt")


def read_sessions(folder: Path) -> Sessions:
    """Returns all sessions of both files; an item is a document for one query in one region.

    A line holds sessions "query_region<TAB>ten documents : clicked documents", separated by semicolons.
    Clicks on documents outside the ten are not part of the slate.
    """
    codes: dict[tuple[str, str], int] = {}
    items, clicks = [], []
    for name in FILES:
        for text in (folder / name).read_text().split(";"):
            if not text.strip():
                continue
            query, slate = text.strip().split("\t")
            shown, clicked = ([d.strip() for d in part.split(",")] for part in slate.split(":"))
            items.append([codes.setdefault((query, document), len(codes)) for document in shown])
            clicks.append([document in clicked for document in shown])
    return Sessions(np.array(items), np.array(clicks), len(codes))


def hashed_part(num_sessions: int, seed: int, share: float) -> NDArray[np.bool_]:
    """Returns (s,): whether the hash of (seed, number of the session) falls in the first `share`."""
    digests = (hashlib.sha256(f"{seed}:{i}".encode()).digest()[:8] for i in range(num_sessions))
    return np.array([int.from_bytes(digest) < share * 2**64 for digest in digests])
