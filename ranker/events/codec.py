"""A decision as bytes: one byte of schema version, then MessagePack with every field by name."""

from __future__ import annotations

import msgspec

from ranker.errors import StateError
from ranker.slate import Decision

# A new field with a default needs no new version: MessagePack carries names, and an old record takes
# the default. Whatever changes a meaning or a type does need one, with a decoder of its own.
VERSION = 1


def _plain(value: object) -> object:
    # numpy's scalars pass for int and float in the type system, but not in MessagePack.
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a decision cannot hold {value!r}")


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain)
_DECODER = msgspec.msgpack.Decoder(Decision)


def encode(decision: Decision) -> bytes:
    """Give the bytes of a decision; floats keep every bit."""
    return bytes((VERSION,)) + _ENCODER.encode(decision)


def decode(record: bytes) -> Decision:
    """Read a decision back; StateError where the bytes are not one, or newer than this code."""
    if not record or record[0] != VERSION:
        raise StateError("decision.record_version", record[:1].hex(), f"this release reads version {VERSION}")
    try:
        return _DECODER.decode(memoryview(record)[1:])
    except msgspec.DecodeError as error:
        raise StateError("decision.record", record[:16].hex(), f"is damaged: {error}") from error
