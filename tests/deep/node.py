"""`semelha.cli` as `torchrun` starts it in the tests of several machines: it saves often, and takes its time.

`python -m tests.deep.node train …` makes a checkpoint after every few steps, so that a test can kill a process between
a checkpoint and the end.
"""

from __future__ import annotations

import os
import sys
import time

import torch

from semelha.cli.app import main
from semelha.deep import train
from semelha.deep.loop import LoopSettings, TrainingProgress

PAUSE = float(os.environ.get("PAUSE", "0"))  # seconds after each step


def slow(progress: TrainingProgress) -> None:
    time.sleep(PAUSE)


if __name__ == "__main__":
    torch.set_num_threads(1)
    often = LoopSettings(checkpoint_seconds=0.2)
    made = train.train_network

    def slowed(*arguments: object, callback: object, **named: object) -> object:
        return made(*arguments, callback=slow, loop=often, **named)  # type: ignore[arg-type]

    train.train_network = slowed  # type: ignore[assignment]
    main(sys.argv[1:])
