"""A training in several processes is one training: the gradient of the joined batch, the same draws, one writer."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.deep import in_processes
from tests.deep.in_processes import BATCH, CHUNKS, DIM, LOSSES, by_shards, learned, plan, sharded, trained, unlabelled

from semelha.deep.distributed import SINGLE_PROCESS, ProcessGroup, local_device_index
from semelha.deep.loop import LoopSettings
from semelha.deep.ssl import METHODS
from semelha.errors import TrainingError

ROOT = Path(__file__).parents[2]


def start(number: int, *words: object) -> list[subprocess.Popen[str]]:
    """As torchrun does: so many processes, each told which it is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(number), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, *map(str, words)],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(number)
    ]


def end(started: list[subprocess.Popen[str]], seconds: float = 300) -> list[tuple[int, str, str]]:
    """Status, output and errors of each; none may hang."""
    try:
        outputs = [process.communicate(timeout=seconds) for process in started]
    finally:
        for process in started:
            process.kill()
    return [(process.returncode, *output) for process, output in zip(started, outputs, strict=True)]


def found_in(number: int, folder: Path) -> list[dict[str, Any]]:
    for status, _, errors in end(start(number, "-m", "tests.deep.in_processes", folder)):
        assert status == 0, errors
    found = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(number)]
    return [each | {"folder": folder} for each in found]


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def each(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of the processes found."""
    return found_in(request.param, tmp_path_factory.mktemp("several"))


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("loss", LOSSES)
def test_values_and_gradients_are_those_of_one_process_on_the_joined_batch(
    loss: str, chunk: int, each: list[dict[str, Any]]
) -> None:
    """In every process, over three steps, with shares of unequal size; of network and loss, in float64."""
    with torch.random.fork_rng(devices=[]):
        alone = learned(loss, BATCH)
    for found in each:
        torch.testing.assert_close(found["learned"][loss, chunk], alone, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_without_labels_they_are_one_process_too(method: str, each: list[dict[str, Any]]) -> None:
    """Projector, predictor, key network and queue after three steps, batch norm of projectors and all."""
    with torch.random.fork_rng(devices=[]):
        alone = unlabelled(method)
    for found in each:
        torch.testing.assert_close(found["unlabelled"][method], alone, rtol=1e-9, atol=1e-12)


def test_all_have_the_very_same_weights(each: list[dict[str, Any]]) -> None:
    first, *others = each
    for found in others:
        for case, tensors in found["learned"].items():
            assert all(map(torch.equal, tensors, first["learned"][case])), case
        assert all(map(torch.equal, found["equal"], first["equal"]))
        assert all(map(torch.equal, found["statistics"], first["statistics"]))
        assert found["agreed"] == 0.1


def test_a_loss_draws_the_same_everywhere_and_each_network_drops_its_own(each: list[dict[str, Any]]) -> None:
    first, second, *_ = (found["drawn"] for found in each)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[2], second[2])


def test_a_whole_training_is_that_of_one_process(each: list[dict[str, Any]], tmp_path: Path) -> None:
    """Look-alikes, accumulation, chunks, moving average and validation too: without statistics, in float32."""
    alone = trained(tmp_path)
    for found in each:
        for name, tensor in alone.weights.items():
            torch.testing.assert_close(found["trained"][name], tensor, rtol=1e-3, atol=1e-4, msg=name)
        assert found["score"] == pytest.approx(alone.score, abs=0.1)


def test_shards_of_classes_give_the_same_network_in_every_number_of_processes(
    each: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Though each process has the pictures of its own classes alone, for training and validation."""
    alone = by_shards(tmp_path)
    for found in each:
        for name, tensor in alone.weights.items():
            torch.testing.assert_close(found["by shards"][0][name], tensor, rtol=1e-3, atol=1e-4, msg=name)


def test_sharded_weights_train_to_the_network_of_one_process(each: list[dict[str, Any]], tmp_path: Path) -> None:
    """Look-alikes, accumulation, chunks, moving average, proxies and a learned metric, with weights in parts."""
    alone = sharded(tmp_path)
    for found in each:
        expected = [*alone.weights.values(), *map(torch.from_numpy, alone.metric.arrays().values())]
        torch.testing.assert_close(found["sharded"], expected, rtol=1e-3, atol=1e-4)


def test_one_process_resumes_a_checkpoint_of_sharded_weights(each: list[dict[str, Any]], tmp_path: Path) -> None:
    early = each[0]["folder"] / "sharded 0" / "early.pt"
    saved = torch.load(early, weights_only=True)
    assert 0 < saved["step"] <= 6
    assert saved["network"]["layers.5.weight"].shape == (DIM, 72)
    folders = tmp_path / "resumed", tmp_path / "alone"
    for folder in folders:
        folder.mkdir()
    shutil.copy(early, folders[0] / "checkpoint.pt")
    resumed, alone = sharded(folders[0], strategy="replicated", resume=True), sharded(folders[1])
    for name, tensor in alone.weights.items():
        torch.testing.assert_close(resumed.weights[name], tensor, rtol=1e-3, atol=1e-4)


def test_a_plan_reads_the_same_in_every_process(each: list[dict[str, Any]]) -> None:
    """A function's repr has its address: with that in the plan, no interrupted training could be continued."""
    assert {found["plan"] for found in each} == {plan()}
    assert " at 0x" not in plan()


def test_the_first_alone_writes(each: list[dict[str, Any]]) -> None:
    assert [found["files"] for found in each] == [["checkpoint.pt", "log.jsonl"], *([[]] * (len(each) - 1))]


def test_machines_need_no_common_disk(each: list[dict[str, Any]]) -> None:
    """Each disk has one process that works for it, and at the end the model; the newest checkpoint counts."""
    for rank, found in enumerate(each):
        seconds = each[0]["seconds"]  # of the training that the checkpoint has, which was done
        assert found["disks"] == [True, True, rank == 0, False, rank, "w" * 1000, "", seconds]


def test_what_fails_on_the_first_fails_on_all(each: list[dict[str, Any]]) -> None:
    first, *others = each
    different = "process 1 has other pictures than process 0: give all machines the same"
    texts = ["é" * rank for rank in range(len(each))]
    assert first["failing"] == ["OSError: the disk is full: é", "OSError: ", "0", different, *texts]
    for found in others:
        expected = ["TrainingError: the disk is full: é", "TrainingError: OSError", "None", different, *texts]
        assert found["failing"] == expected


def test_shares_are_even_and_leave_nothing_out() -> None:
    for number in range(1, 6):
        for length in range(30):
            shares = [range(length)[ProcessGroup(rank, number).share(length)] for rank in range(number)]
            assert [row for share in shares for row in share] == list(range(length))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_alone_nothing_happens() -> None:
    own = torch.ones(3, 2, requires_grad=True)
    assert SINGLE_PROCESS.all_gather(own, SINGLE_PROCESS.sizes(3)) is own
    assert SINGLE_PROCESS.broadcast(0.25) == 0.25
    assert SINGLE_PROCESS.on_rank_zero(lambda: "done") == "done"


INTERRUPTED = """
import sys, torch
from pathlib import Path
from semelha.deep.distributed import process_group
from semelha.deep.loop import LoopSettings
from tests.deep.in_processes import trained
often = LoopSettings(checkpoint_seconds=0.0)
torch.set_num_threads(1)
with process_group(torch.device("cpu")) as group:
    run = trained(Path(sys.argv[1]), group, stop=int(sys.argv[2]), resume=True, loop=often)
    if group.is_rank_zero:
        torch.save(run.weights, Path(sys.argv[1]) / "weights.pt")
"""


@pytest.mark.slow
def test_it_goes_on_in_another_number_of_processes_and_none_is_left_waiting(tmp_path: Path) -> None:
    """Two, interrupted in the first; then one, interrupted; then two to the end: what one makes by itself."""
    (status, _, _), (other, _, errors) = end(start(2, "-c", INTERRUPTED, tmp_path, 4))
    assert status != 0
    assert other != 0
    assert "another process of this training has ended: continue with --resume" in errors
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, stop=8, resume=True, loop=LoopSettings(checkpoint_seconds=0.0))
    for status, _, errors in end(start(2, "-c", INTERRUPTED, tmp_path, 100)):
        assert status == 0, errors
    (tmp_path / "alone").mkdir()
    alone = trained(tmp_path / "alone")
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    for name, tensor in alone.weights.items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


def test_more_processes_than_cards_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(TrainingError, match="2 processes on this machine and 1 graphics cards"):
        local_device_index()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert local_device_index() == 0


def test_the_losses_are_of_all_kinds() -> None:
    """Of pairs, of proxies, both, and with a memory, for each of which a whole batch means something else."""
    kinds = {type(make()).__name__ for make in in_processes.LOSSES.values()}
    assert {"SupCon", "ProxyAnchor", "WeightedSum", "CrossBatchMemory"} <= kinds
