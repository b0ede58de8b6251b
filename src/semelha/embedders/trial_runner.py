"""The program of the child process of `trial`: load a graph from standard input, and embed two pictures.

It imports nothing of semelha, so that it starts quickly. If it fails, its last line on standard error is the stage and
the reason.
"""

import json
import sys

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


def main() -> None:
    shape, seconds, megabytes = json.loads(sys.argv[1])
    limit(seconds, megabytes)
    stage = "load"
    try:
        data = sys.stdin.buffer.read()
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.load_model_format", "ONNX")
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        stage = "run"
        pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        pictures[0] = 0  # one blank, one of noise
        inputs = session.get_inputs()
        if [each.type for each in inputs] == ["tensor(uint8)"]:  # others are refused without running them
            session.run(None, {inputs[0].name: pictures})
    except BaseException as error:
        sys.exit(f"{stage} {type(error).__name__}: {error}".replace("\n", " "))


if __name__ == "__main__":
    main()
