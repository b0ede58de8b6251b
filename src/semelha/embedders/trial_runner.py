"""The program of the child process of `trial`: load a graph, run it on arrays, and return one of its outputs.

It imports nothing of semelha, so that it starts quickly. Standard input has a line of JSON, the graph, and the arrays
as .npy, each after a "+"; a "." ends them. Standard output gets a line of JSON, what the graph takes and gives, and the
outputs as .npy. If it fails, its last line on standard error is the stage and the reason.
"""

import contextlib
import itertools
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort

MAX_BYTES = 1 << 28
"""Of the outputs that are returned: the parent process has no limit on memory."""
NO_MEMORY = re.compile(r"(std::bad_alloc|Failed to allocate memory for requested buffer of size \d+)\s*$")
"""How a message of ONNX Runtime ends if it had no memory; before the end are names from the graph."""


def limit(seconds: float, memory: int) -> None:
    """Limit processor time, and bytes of memory beyond those in use, where the system can."""
    try:
        import resource
    except ImportError:
        return

    def lower(kind: int, soft: int, hard: int) -> None:
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (soft, hard))

    whole = int(seconds) + 1
    lower(resource.RLIMIT_CPU, whole, whole + 5)
    lower(resource.RLIMIT_CORE, 0, 0)
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:
        most = int(file.read().split()[0]) * resource.getpagesize() + memory
        lower(resource.RLIMIT_AS, most, most)


def read_arrays() -> Iterator[Any]:
    """The arrays on standard input, which is a pipe: numpy would seek in it."""
    stream: Any = SimpleNamespace(read=sys.stdin.buffer.read)
    while stream.read(1) == b"+":
        yield np.lib.format.read_array(stream, allow_pickle=False)


def load(graph: bytes) -> Any:
    """A session of ONNX Runtime."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def run(session: Any, arrays: Iterable[Any], output: str | None, first_token: bool) -> tuple[list[Any], list[Any]]:
    """Shapes of the outputs for the last array; and for each array the chosen output, or only its first tokens.

    A graph that takes something else is not run: the parent process reports it.
    """
    found: list[Any] = []
    chosen: list[Any] = []
    inputs = session.get_inputs()
    for array in arrays:
        if [each.type for each in inputs] != [f"tensor({array.dtype})".replace("float32", "float")]:
            return [], []
        found = session.run(None if output is None else [output], {inputs[0].name: array})
        if output is not None:
            chosen.append(np.array(found[0][:, :1] if first_token else found[0]))
        if sum(each.nbytes for each in chosen) > MAX_BYTES:
            raise ValueError(f"its output {output} has more than {MAX_BYTES:,} bytes")
    return [list(getattr(each, "shape", ())) for each in found], chosen


def describe_ports(ports: Sequence[Any]) -> list[list[Any]]:
    """Name, type and shape of inputs or outputs."""
    return [[each.name[:1000], each.type, each.shape and list(each.shape)] for each in ports[:100]]


def main() -> None:
    job = json.loads(sys.stdin.buffer.readline())
    graph = sys.stdin.buffer.read(job["graph"])
    arrays = read_arrays()
    first = [*itertools.islice(arrays, 1)]
    # No array is larger than the first. It is in use; two more may be, while the next one is read.
    limit(job["seconds"], job["megabytes"] * 2**20 + sum(2 * each.nbytes for each in first))
    stage = "load"
    try:
        session = load(graph)
        stage = "run"
        shapes, chosen = run(session, itertools.chain(first, arrays), job["output"], job["first_token"])
        metadata = [] if first else list(session.get_modelmeta().custom_metadata_map.items())[:100]
        report = {
            "inputs": describe_ports(session.get_inputs()),
            "outputs": describe_ports(session.get_outputs()),
            "metadata": {key[:100]: value[:1000] for key, value in metadata},
            "output_shapes": shapes,
        }
        sys.stdout.buffer.write(json.dumps(report).encode() + b"\n")
        for each in chosen:
            np.save(sys.stdout.buffer, each, allow_pickle=False)
    except BaseException as error:
        if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
            stage = "memory"
        sys.exit(" ".join(f"{stage} {type(error).__name__}: {error}".split()))


if __name__ == "__main__":
    main()
