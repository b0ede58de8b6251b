"""Forward and backward of every loss, beside pytorch-metric-learning's of the same value: time and peak memory.

    python benchmarks/losses.py [--only NAME …] [--batch N …] [--device cpu] [--limit 60] [--memory 12]
    python benchmarks/losses.py --base OLD_CHECKOUT [--only NAME …] [--batch N …] [--rounds 2]

Embeddings of 512 numbers, four pictures a class, float32. Each loss on each batch runs in a fresh process with one
thread, ours and theirs in turn; memory is the peak of the first step over what was there before. Running out of memory,
or over the limit of CPU seconds, is a result. With `--only` or `--batch` the table is printed; the whole is written
into RESULTS.md. What was measured is kept in `build/losses.jsonl`, and not measured again: remove it to begin anew.
With `--base`, ours and those of another checkout in turn, the least of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from _loss_run import LOSSES, OUT_OF_MEMORY, OVER_TIME
from _results import table, write_section

RUN = Path(__file__).with_name("_loss_run.py")
BATCHES = (128, 512, 1024, 2048)
KEPT = Path("build/losses.jsonl")
Cell = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=LOSSES, default=list(LOSSES), metavar="NAME")
    parser.add_argument("--batch", nargs="+", type=int, default=list(BATCHES))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--limit", type=float, default=60, help="CPU seconds for one cell")
    parser.add_argument("--memory", type=float, default=12, help="GB for one cell")
    parser.add_argument("--base", type=Path, help="another checkout to compare ours with")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.base is not None:
        beside(arguments)
        return
    whole = arguments.only == list(LOSSES) and arguments.batch == list(BATCHES)
    cells = kept()
    rows = []
    for name in arguments.only:
        for batch in arguments.batch:
            ours, theirs = (measured(cells, side, name, batch, arguments) for side in ("ours", "theirs"))
            rows.append([name, batch, *row(name, ours, theirs)])
    columns = ["loss", "batch", "ms", "MB", "theirs, ms", "MB", "times as fast", "times as lean"]
    clock = "one thread, CPU" if arguments.device == "cpu" else "one graphics card,"
    body = (
        f"Forward + backward, {clock} milliseconds; at most {arguments.limit:g} s and {arguments.memory:g} GB. Values "
        "are the same to 4 digits, but for what draws by chance (distance-weighted) and for Smooth-AP, of which theirs "
        "takes the wrong classes. Theirs is marked * where its time or memory grows with the third power of the batch."
        "\n\n" + table(columns, rows)
    )
    if whole:
        write_section("Losses" if arguments.device == "cpu" else "Losses on a graphics card", body)
    else:
        print(body)


def beside(arguments: argparse.Namespace) -> None:
    """Our losses beside those of another checkout, which its own `_loss_run.py` measures."""
    rows = []
    for name in arguments.only:
        for batch in arguments.batch:
            now, then = [], []
            for _ in range(arguments.rounds):
                now.append(run("ours", name, batch, arguments)["seconds"])
                then.append(run("ours", name, batch, arguments, checkout=arguments.base.resolve())["seconds"])
            rows.append([name, batch, 1000 * min(now), 1000 * min(then), min(now) / min(then)])
            print(*rows[-1], sep=" | ", flush=True)
    body = f"Forward + backward, one thread, CPU milliseconds; least of {arguments.rounds} processes each, in turn."
    columns = ["loss", "batch", "this checkout, ms", "the other, ms", "ratio"]
    write_section("Losses beside an earlier checkout", f"{body}\n\n{table(columns, rows)}")


def kept() -> dict[str, Cell]:
    """What was measured before, by what it is of."""
    if not KEPT.exists():
        return {}
    lines = [json.loads(line) for line in KEPT.read_text(encoding="utf-8").splitlines()]
    return {line["of"]: line["cell"] for line in lines}


def measured(cells: dict[str, Cell], side: str, name: str, batch: int, arguments: argparse.Namespace) -> Cell | None:
    """A cell of the table; None where there is no such loss."""
    if side == "theirs" and LOSSES[name].theirs is None:
        return None
    of = f"{side} {name} {batch} {arguments.device} {arguments.limit:g} {arguments.memory:g}"
    if of not in cells:
        cells[of] = run(side, name, batch, arguments)
        KEPT.parent.mkdir(exist_ok=True)
        with KEPT.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"of": of, "cell": cells[of]}) + "\n")
        print(f"{of}: {cells[of]}", file=sys.stderr)
    return cells[of]


def run(side: str, name: str, batch: int, arguments: argparse.Namespace, *, checkout: Path = RUN.parents[1]) -> Cell:
    script = checkout / "benchmarks" / RUN.name
    command = [sys.executable, "-W", "ignore", str(script), side, name, str(batch), arguments.device]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    one["PYTHONPATH"] = str(checkout / "src")
    process = subprocess.run(
        [*command, str(arguments.limit), str(arguments.memory)], capture_output=True, text=True, env=os.environ | one
    )
    if process.returncode == OVER_TIME:
        return {"ended": f"over {arguments.limit:g} s"}
    if process.returncode == OUT_OF_MEMORY or process.returncode < 0:  # the latter where the system ended it
        return {"ended": f"over {arguments.memory:g} GB"}
    if process.returncode:
        raise RuntimeError(f"{side} {name} {batch} ended with {process.returncode}:\n{process.stderr}")
    cell: Cell = json.loads(process.stdout.splitlines()[-1])
    return cell


def row(name: str, ours: Cell | None, theirs: Cell | None) -> list[object]:
    assert ours is not None
    if theirs is None or "ended" in ours or "ended" in theirs:
        return [*shown(ours), *shown(theirs, cubic=LOSSES[name].cubic), None, None]
    if LOSSES[name].equal and abs(ours["value"] - theirs["value"]) > 1e-4 * max(1e-2, abs(theirs["value"])):
        raise AssertionError(f"{name}: our value is {ours['value']}, theirs {theirs['value']}")
    faster, leaner = (theirs[what] / max(ours[what], 1e-9) for what in ("seconds", "megabytes"))
    return [*shown(ours), *shown(theirs, cubic=LOSSES[name].cubic), f"{faster:.1f}", f"{leaner:.1f}"]


def shown(cell: Cell | None, *, cubic: bool = False) -> list[object]:
    if cell is None:
        return [None, None]
    if "ended" in cell:
        return [cell["ended"], None]
    return [f"{1000 * cell['seconds']:.1f}{'*' if cubic else ''}", f"{cell['megabytes']:.1f}"]


if __name__ == "__main__":
    main()
