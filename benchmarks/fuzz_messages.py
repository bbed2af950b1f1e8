"""Bytes and messages that a service does not expect: strategies of Hypothesis, which shrinks what fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st

if TYPE_CHECKING:
    from google.protobuf.message import Message

    Draw = st.DrawFn

NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-320, 1e-30, 1e30, -1e308, float("inf"), float("-inf"), float("nan"))
INTEGERS = (0, 1, 2, 3, 7, 100, 1000, 2**16, 2**31 - 1, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1)
TEXTS = (
    "",
    "a",
    "ad0",
    "shop",
    "page",
    "banner",
    "\x00",
    "\n",
    "é" * 50,
    "x" * 5000,
    "../../etc",
    "'; --",
    "%s",
)
MAX_ROWS = 40
FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


@st.composite
def edited_bytes(draw: Draw, base: bytes) -> bytes:
    """Draws a message whose bytes were flipped, cut, doubled or put elsewhere."""
    raw = bytearray(base)
    for _ in range(draw(st.integers(1, 6))):
        i, j = sorted(draw(st.integers(0, len(raw))) for _ in range(2))
        kind = draw(st.sampled_from(("replace", "cut", "double", "insert", "flip")))
        if kind == "cut":
            del raw[i:j]
        elif kind == "double":
            raw[j:j] = raw[i:j][:2000]
        elif kind == "flip" and i < len(raw):
            raw[i] ^= 1 << draw(st.integers(0, 7))
        else:
            raw[i : i if kind == "insert" else i + 8] = draw(st.binary(max_size=8))
    return bytes(raw)


@st.composite
def edited_message(draw: Draw, base: Message) -> bytes:
    """Draws a message of the right type, of whose fields some have values that nobody would send."""
    message = type(base)()
    message.CopyFrom(base)
    for _ in range(draw(st.integers(1, 4))):
        _edit(draw, message)
    return message.SerializeToString()


def _edit(draw: Draw, message: Message) -> None:
    """Edits a field, or goes into it."""
    field: Any = draw(st.sampled_from(list(message.DESCRIPTOR.fields)))
    if draw(st.integers(0, 5)) == 0:
        message.ClearField(field.name)
    elif field.is_repeated:
        _edit_repeated(draw, getattr(message, field.name), field)
    elif field.message_type is not None:
        inner = getattr(message, field.name)
        inner.SetInParent()
        if inner.DESCRIPTOR.fields:
            _edit(draw, inner)
    else:
        setattr(message, field.name, _scalar(draw, field))


def _edit_repeated(draw: Draw, values: Any, field: FieldDescriptor) -> None:
    """Edits, drops, doubles or adds an element."""
    kind = draw(st.sampled_from(("edit", "drop", "double", "add", "many")))
    i = draw(st.integers(0, max(len(values) - 1, 0)))
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            return
        if kind == "edit" and values:
            _edit(draw, values[i])
        elif kind == "drop" and values:
            del values[i]
        elif kind == "double" and values:
            values.add().CopyFrom(values[i])
        elif len(values) < MAX_ROWS:
            _edit(draw, values.add())
    elif kind == "drop" and values:
        del values[i]
    elif kind == "edit" and values:
        values[i] = _scalar(draw, field)
    elif len(values) < 10 * MAX_ROWS:
        values.extend([_scalar(draw, field)] * (MAX_ROWS if kind == "many" else 1))


def _scalar(draw: Draw, field: FieldDescriptor) -> Any:
    kind = field.cpp_type
    if kind in FLOATS:
        value = draw(st.sampled_from(NUMBERS) | st.floats(width=32))
        return value if kind == FieldDescriptor.CPPTYPE_DOUBLE or abs(value) < 3e38 else float("inf")
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return draw(st.booleans())
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return draw(st.binary(max_size=64))
        return draw(st.sampled_from(TEXTS) | st.text(max_size=20).filter(_is_encodable))
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return draw(st.sampled_from((0, 1, 2, 3, 99, -1)))
    number = draw(st.sampled_from(INTEGERS))
    bits = 32 if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32) else 64
    if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64):
        return min(number, 2 ** (bits - 1) - 1) * draw(st.sampled_from((1, -1)))
    return min(number, 2**bits - 1)


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
