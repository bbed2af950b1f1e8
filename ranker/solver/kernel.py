"""How the numerical functions of this package are compiled."""

from __future__ import annotations

import hashlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from numba import njit
from numba.core import config

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


OPTIONS: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract"},
    "_nrt": False,
    "no_cfunc_wrapper": True,
}
"""Products and sums may fuse; nothing else of floating-point semantics is given up, so that the result
depends neither on the batch nor on the thread. What allocates nothing has no references to count:
`_nrt=False` turns the counting off, which halves time and code."""


IMPORTS = re.compile(r"^from ranker\.solver\.(\w+) import", re.MULTILINE)
"""What a module needs to run; what it needs for its types alone is indented."""


def sources_of_kernels(folder: Path) -> dict[str, bytes]:
    """Returns the modules that compile kernels, and all that these import, directly or not, by name."""
    texts = {path.stem: path.read_bytes() for path in sorted(folder.glob("*.py"))}
    imports = {name: set(IMPORTS.findall(text.decode())) for name, text in texts.items()}
    found = {"kernel"} | {name for name, names in imports.items() if "kernel" in names}
    grown: set[str] = set()
    while grown != found:
        grown, found = found, found.union(*(imports.get(name, set()) for name in found))
    return {name: text for name, text in texts.items() if name in found}


def digest(sources: dict[str, bytes]) -> str:
    """Names sources by their content."""
    blake = hashlib.blake2b(digest_size=16)
    for name in sorted(sources):
        blake.update(name.encode() + b"\0" + sources[name] + b"\0")
    return blake.hexdigest()


HERE = Path(__file__).parent
SOURCES = digest(sources_of_kernels(HERE))


def _compiled(function: F, **options: object) -> F:
    dispatcher = cast("Any", njit)(**(OPTIONS | options))(function)
    if not cast("Any", config).DISABLE_JIT:
        # By itself numba would take a kernel from the cache unless its own file has changed. Machine code
        # holds the kernels of other files that it calls, too: after an upgrade it would crash the process.
        own = Path(inspect.getfile(function))
        stamp = SOURCES if own.parent == HERE else digest({SOURCES: own.read_bytes()})
        dispatcher._cache._cache_file._source_stamp = stamp
    return cast("F", dispatcher)


def entry(function: F) -> F:
    """Compiles `function`, which Python calls, to machine code that neither allocates nor holds the GIL."""
    return _compiled(function)


def kernel(function: F) -> F:
    """Compiles `function`, which only kernels call: without the code to be called by Python."""
    return _compiled(function, no_cpython_wrapper=True)


def hot_kernel(function: F) -> F:
    """Compiles `function` into the kernels that call it: passing a workspace outlasts a short loop."""
    return _compiled(function, no_cpython_wrapper=True, forceinline=True)


def counting_kernel(function: F) -> F:
    """Compiles `function`, whose sums are of small whole numbers, as a hot kernel: their order is free."""
    return _compiled(function, no_cpython_wrapper=True, forceinline=True, fastmath={"reassoc"})


def maximum_kernel(function: F) -> F:
    """Compiles `function`, which only kernels call and which meets no NaN: a maximum needs no order."""
    return _compiled(function, no_cpython_wrapper=True, fastmath={"nnan", "nsz"})


def strict_entry(function: F) -> F:
    """Compiles `function`, which Python calls, so that every operation in it is rounded by itself."""
    return _compiled(function, fastmath=False)


def strict_kernel(function: F) -> F:
    """Compiles `function`, which only kernels call, so that every operation in it is rounded by itself."""
    return _compiled(function, no_cpython_wrapper=True, fastmath=False)
