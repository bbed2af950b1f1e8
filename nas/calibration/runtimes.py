"""What runs a model: onnxruntime, or torch as it is and as a CUDA graph."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from nas.errors import SearchError
from nas.export.ctr_graph import export_ctr, random_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    import onnxruntime
    import torch

    from nas.ctr.genotype import CtrGenotype
    from nas.export.ctr_graph import CtrInputs

    Run = Callable[[], object]

RUNTIMES: Final = ("onnxruntime", "torch", "torch-cuda", "torch-cuda-graph")


@dataclass(frozen=True)
class LatencyKey:
    """What a latency is true of."""

    device: str
    runtime: str
    precision: str
    threads: int
    batch: int

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise SearchError("key.runtime", self.runtime, f"is none of {RUNTIMES}")
        if self.threads < 1 or self.batch < 1:
            raise SearchError("key.threads, key.batch", (self.threads, self.batch), "must be at least 1")

    @property
    def slug(self) -> str:
        """A file name."""
        text = "_".join(str(part) for part in asdict(self).values())
        return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in text)


def device_name(runtime: str) -> str:
    """Names the processor that a runtime uses here.

    Raises:
        SearchError: the runtime needs a CUDA device and there is none.
    """
    if runtime.startswith("torch-cuda"):
        import torch

        if not torch.cuda.is_available():
            raise SearchError("runtime", runtime, "needs a CUDA device, and there is none")
        return torch.cuda.get_device_name()
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


class Runtime(Protocol):
    """Makes models ready to run."""

    def prepare(self, inputs: CtrInputs, genotype: CtrGenotype, batch: int, rng: np.random.Generator) -> Run:
        """Gives a call that runs a model with random weights on random rows once, and waits for its end."""
        ...


def make_runtime(name: str, threads: int) -> Runtime:
    """Gives a runtime by its name."""
    if name == "onnxruntime":
        return OnnxRuntime(threads)
    device_name(name)
    return TorchRuntime(name, threads)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Gives the options that the ranker serves with: threads that do not spin between calls."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def run_onnx(
    content: bytes, numeric: npt.NDArray[np.float32], categorical: npt.NDArray[np.int64], threads: int
) -> Run:
    """Gives a call that runs an ONNX file on some rows."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        content, session_options(threads), providers=["CPUExecutionProvider"]
    )
    feeds = {"numeric": numeric, "categorical": categorical}
    return lambda: session.run(["ctr"], feeds)


def random_rows(
    inputs: CtrInputs, batch: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Draws rows (batch, d) and (batch, c)."""
    sizes = inputs.fields.num_ids[len(inputs.edges) :]
    numeric = rng.standard_normal((batch, len(inputs.edges)), np.float32)
    return numeric, rng.integers(0, sizes or 1, (batch, len(sizes)))


@dataclass(frozen=True)
class OnnxRuntime:
    """onnxruntime on the CPU, float32."""

    threads: int

    def prepare(self, inputs: CtrInputs, genotype: CtrGenotype, batch: int, rng: np.random.Generator) -> Run:
        """Exports the model and opens a session."""
        content = export_ctr(inputs, genotype, random_weights(rng))
        return run_onnx(content, *random_rows(inputs, batch, rng), self.threads)


@dataclass(frozen=True)
class TorchRuntime:
    """torch without compilation, on the CPU, on CUDA, or replayed as a CUDA graph of fixed shapes."""

    name: str
    threads: int

    def prepare(self, inputs: CtrInputs, genotype: CtrGenotype, batch: int, rng: np.random.Generator) -> Run:
        """Builds the network on its device."""
        import torch

        from nas.ctr.network import Subnet

        device = "cpu" if self.name == "torch" else "cuda"
        torch.set_num_threads(self.threads)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        subnet = Subnet(inputs.fields, genotype, generator).eval().to(device)
        ids = torch.from_numpy(rng.integers(0, inputs.fields.num_ids, (batch, len(inputs.fields.num_ids))))
        on_device = ids.to(device)
        if self.name == "torch-cuda-graph":
            return _captured(subnet, on_device)

        def run() -> None:
            with torch.inference_mode():
                subnet(on_device)
            if device == "cuda":
                torch.cuda.synchronize()

        return run


def _captured(subnet: torch.nn.Module, ids: torch.Tensor) -> Run:
    """Captures a forward pass; a replay is one launch."""
    import torch

    with torch.inference_mode():
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        with torch.cuda.stream(side):
            for _ in range(3):
                subnet(ids)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            subnet(ids)

    def run() -> None:
        graph.replay()
        torch.cuda.synchronize()

    return run
