"""The program of the child process of `trial`: load a graph from standard input, and embed two pictures.

It imports nothing of semelha, so that it starts quickly. It writes what the graph takes and gives as JSON. If it fails,
its last line on standard error is the stage and the reason.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort


def limit(seconds: float, megabytes: int) -> None:
    """Limit processor time, and memory beyond what the imports have taken, where the system can."""
    try:
        import resource
    except ImportError:
        return
    whole = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with open("/proc/self/statm") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return
    most = taken + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def embed(session: Any, shape: list[int], dtype: str, low: float, high: float) -> list[list[int]]:
    """Run the graph on a black picture and on noise; shapes of its outputs. Of another type, it is refused unrun."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != f"tensor({'float' if dtype == 'float32' else dtype})":
        return []
    count = max(2, shape[0])
    pictures = np.random.default_rng(0).uniform(low, high, (count, *shape[1:])).astype(dtype)
    pictures[0] = np.array(low, dtype)
    for start in range(0, count, shape[0]):
        given = session.run(None, {inputs[0].name: pictures[start : start + shape[0]]})
    return [list(getattr(each, "shape", ())) for each in given]


def ports(those: Sequence[Any]) -> list[list[Any]]:
    """Name, type and shape of inputs or outputs."""
    return [[each.name[:1000], each.type, each.shape and list(each.shape)] for each in those[:100]]


def main() -> None:
    job = json.loads(sys.argv[1])
    limit(job["seconds"], job["megabytes"])
    stage = "load"
    try:
        data = sys.stdin.buffer.read()
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.load_model_format", "ONNX")
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        stage = "run"
        given = embed(session, **job["feed"]) if job["feed"] else []
        metadata = [] if job["feed"] else list(session.get_modelmeta().custom_metadata_map.items())[:100]
        report = {
            "inputs": ports(session.get_inputs()),
            "outputs": ports(session.get_outputs()),
            "metadata": {key[:100]: value[:1000] for key, value in metadata},
            "given": given,
        }
        sys.stdout.buffer.write(json.dumps(report).encode())
    except BaseException as error:
        sys.exit(f"{stage} {type(error).__name__}: {error}".replace("\n", " "))


if __name__ == "__main__":
    main()
