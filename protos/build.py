"""Generates the Python stubs of protos/ into ads/, on every build and by `python protos/build.py`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run by hand, outside of a build
    BuildHookInterface = object  # type: ignore[assignment, misc]

ROOT = Path(__file__).resolve().parent.parent


def generate(root: Path) -> None:
    """Writes ads/ranker/v1/*_pb2{,_grpc}.{py,pyi} below `root`; raises where protoc finds an error."""
    import grpc_tools
    from grpc_tools import protoc

    sources = sorted(str(p.relative_to(root / "protos")) for p in (root / "protos").rglob("*.proto"))
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    outputs = [f"--python_out={root}", f"--grpc_python_out={root}"]
    plugins = {kind: _plugin(f"protoc-gen-{kind}") for kind in ("mypy", "mypy_grpc")}
    for kind, executable in plugins.items():
        outputs += [f"--plugin=protoc-gen-{kind}={executable}", f"--{kind}_out=quiet:{root}"]
    arguments = ["protoc", f"-I{root / 'protos'}", f"-I{well_known}", *outputs, *sources]
    if protoc.main(arguments) != 0:
        raise SystemExit(f"protoc failed on {', '.join(sources)}")
    for package in ("ads", "ads/ranker", "ads/ranker/v1"):
        (root / package / "__init__.py").touch()


def _plugin(name: str) -> str:
    # In an isolated build the plugins are on the PATH, by hand beside the interpreter.
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise SystemExit(f"{name} not found: pip install mypy-protobuf")
    return found


class StubsBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Lets `pip install .` and `pip install -e .` generate the stubs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (hatchling's signature)
        """Runs before files are collected."""
        generate(Path(self.root))


if __name__ == "__main__":
    generate(ROOT)
