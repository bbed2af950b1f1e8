"""The machine code in the cache is named by all sources that it was compiled from."""

from __future__ import annotations

import importlib
from pathlib import Path

from numba.core.dispatcher import Dispatcher

import ranker.solver
from ranker.solver.kernel import digest, sources_of_kernels

CALLER = "from ranker.solver.kernel import kernel\nfrom ranker.solver.constants import SIZE\n"


def package(folder: Path, **texts: str) -> str:
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return digest(sources_of_kernels(folder))


def test_a_change_in_what_a_kernel_calls_or_reads_names_another_cache(tmp_path: Path) -> None:
    before = package(tmp_path, kernel="", caller=CALLER, called=CALLER, constants="SIZE = 1", front="")
    assert package(tmp_path, front="from ranker.solver.caller import f\n") == before
    assert package(tmp_path, constants="SIZE = 2") != before
    assert package(tmp_path, constants="SIZE = 1") == before
    assert package(tmp_path, called=CALLER + "# changed") != before


def test_imports_for_types_alone_name_no_other_cache(tmp_path: Path) -> None:
    caller = CALLER + "if TYPE_CHECKING:\n    from ranker.solver.types import Shape\n"
    before = package(tmp_path, kernel="", caller=caller, constants="", types="")
    assert package(tmp_path, types="# changed") == before


def test_every_module_with_a_kernel_counts_and_the_front_doors_do_not() -> None:
    folder = Path(ranker.solver.__file__).parent
    counted = sources_of_kernels(folder)
    names = [path.stem for path in folder.glob("*.py")]
    modules = {name: importlib.import_module(f"ranker.solver.{name}") for name in names}
    compiled = {
        each.__module__.rpartition(".")[2]
        for module in modules.values()
        for each in vars(module).values()
        if isinstance(each, Dispatcher)
    }
    assert compiled <= counted.keys()
    assert not {"solve", "problem", "many", "builders", "warm_up"} & counted.keys()
