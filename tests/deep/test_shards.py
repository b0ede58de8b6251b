"""Classes in shards: batches have a share of each, and a process reads its own pictures alone."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.tiny_model import noise

from semelha.deep import cache
from semelha.deep.batches import process_share
from semelha.deep.cache import open_cache, split
from semelha.deep.distributed import SINGLE_PROCESS, ProcessGroup
from semelha.deep.recipe import Recipe
from semelha.deep.sampler import ClassBalanced, MPerClass, Pool
from semelha.deep.sharded_sampler import ShardedSampler
from semelha.deep.shards import PixelsWithGaps, collected, open_sharded_cache, own_places, sharded_statistics
from semelha.embedders import InputSpec
from semelha.errors import DatasetError, UsageError
from semelha.images import Dataset, Picture, local_copy, read_dataset, write_shards

CLASSES, SHARDS = 24, 4
SPEC = InputSpec(height=16, width=16, channels=1, fit="pad")


def pool(*, quarter_turns: bool = False) -> Pool:
    sizes = np.random.default_rng(0).integers(1, 9, CLASSES)
    classes = np.random.default_rng(1).permutation(np.repeat(np.arange(CLASSES), sizes))
    shards = np.random.default_rng(2).permutation(np.arange(CLASSES) % SHARDS)
    return Pool(classes, tuple(map(str, range(CLASSES))), quarter_turns, shards)


@pytest.mark.parametrize("quarter_turns", [False, True])
@pytest.mark.parametrize("make", [MPerClass, ClassBalanced])
def test_a_batch_has_an_equal_part_of_each_shard(make: type[MPerClass], quarter_turns: bool) -> None:
    drawn = pool(quarter_turns=quarter_turns)
    assert drawn.shards is not None
    sampler = ShardedSampler(drawn, make, batch=32, per_class=2, seed=3)
    means = np.random.default_rng(0).normal(size=(sampler.targets, 5)).astype(np.float32)
    for batch in (*map(sampler.batch, range(20)), *(sampler.lookalikes(number, means) for number in range(10))):
        assert batch.shards is not None
        assert (np.diff(batch.shards) >= 0).all()
        classes = batch.targets // drawn.turns
        assert (drawn.shards[classes] == batch.shards).all()
        assert (drawn.classes[batch.pictures] == classes).all()
        assert (batch.turns == batch.targets % drawn.turns).all()
    assert np.bincount(sampler.batch(5).shards, minlength=SHARDS).tolist() == [8] * SHARDS


def test_an_epoch_visits_every_picture() -> None:
    sampler = ShardedSampler(pool(), MPerClass, batch=32, per_class=2, seed=3)
    seen = {int(row) for number in range(sampler.batches_per_epoch) for row in sampler.batch(number).pictures}
    assert seen == set(range(len(pool().classes)))


def test_the_share_of_a_process_is_of_its_own_shards() -> None:
    sampler = ShardedSampler(pool(), MPerClass, batch=32, per_class=2, seed=3)
    batch = sampler.batch(0)
    for size in range(1, SHARDS + 1):
        shares = [process_share(batch, ProcessGroup(rank, size), SHARDS) for rank in range(size)]
        assert np.concatenate([share.pictures for share in shares]).tolist() == batch.pictures.tolist()
        assert all(len(set(np.unique(share.shards))) >= SHARDS // size for share in shares)
        owners = [rank for rank, share in enumerate(shares) for _ in np.unique(share.shards)]
        assert len(owners) == SHARDS


def test_lookalikes_are_of_all_shards_near_to_the_same_classes() -> None:
    """Means on a line: with two anchors, the classes of each shard are those next to them."""
    drawn = pool()
    sampler = ShardedSampler(drawn, MPerClass, batch=16, per_class=2, seed=0)
    angle = np.linspace(0, np.pi, CLASSES)
    means = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    found = [np.unique(sampler.lookalikes(number, means, seeds=1, breadth=1).targets) for number in range(50)]
    assert all(classes.max() - classes.min() < CLASSES - 1 for classes in found)
    assert np.mean([classes.max() - classes.min() for classes in found]) < 0.75 * CLASSES


def test_too_many_shards_are_refused() -> None:
    few = Pool(np.arange(3).repeat(2), ("a", "b", "c"), shards=np.array([0, 0, 1]))
    with pytest.raises(DatasetError, match="a shard has 1 class to learn from: divide the 3 classes"):
        ShardedSampler(few, MPerClass, batch=16, per_class=2, seed=0)
    with pytest.raises(UsageError, match="a batch of 16 is too small for 8 shards"):
        Recipe(batch=16, shards=8)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [(label, number) for label in range(12) for number in range(3)]
    pictures = [Picture(noise(10 * label + number), f"{label:02}", f"{label}/{number}") for label, number in names]
    folder = tmp_path_factory.mktemp("photos") / "packed"
    write_shards(Dataset("photos", tuple(pictures)), folder, number=4)
    index = folder / "shards-0001.tar"
    data = bytearray(index.read_bytes())
    data[700] ^= 1  # a damaged picture
    index.write_bytes(data)
    return folder


@pytest.mark.parametrize("where", ["{}", "file://{}"])
def test_all_pictures_are_decoded_as_in_one_piece(where: str, packed: Path, tmp_path: Path) -> None:
    dataset = read_dataset(where.format(packed))
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    whole = open_cache(dataset, tmp_path / "whole", SPEC)
    parts = open_sharded_cache(dataset, tmp_path / "parts", SPEC, 3, SINGLE_PROCESS)
    assert len(whole.dataset) == 35
    assert len(whole.dataset.skipped) == 1
    assert parts.hashes == whole.hashes
    assert parts.dataset.pictures == whole.dataset.pictures
    assert parts.dataset.skipped == whole.dataset.skipped
    assert sharded_statistics(parts, 3, SINGLE_PROCESS) == pytest.approx(whole.statistics(), abs=2e-4)
    rows = np.random.default_rng(0).permutation(35)
    assert np.array_equal(parts.pixels[rows], whole.pixels[rows])
    assert not list((tmp_path / "parts").glob(".*"))
    of_whole, of_parts = (split(each, Recipe(validation=0.25), seed=0) for each in (whole, parts))
    for one, other in zip(of_whole, of_parts, strict=True):
        assert one is not None
        assert other is not None
        assert np.array_equal(one.rows, other.rows)
        assert other.shards is not None
        places = np.arange(len(one.rows))[::2]
        joined = collected(other, places, 3, SINGLE_PROCESS)
        assert np.array_equal(joined.read(np.arange(len(places))), one.read(places))
        assert joined.classes.tolist() == one.classes[places].tolist()


def test_a_process_decodes_its_own_archives_alone(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two with two shards each."""
    dataset = read_dataset(f"file://{packed}")
    opened: list[str] = []

    def counted(archive: str, folder: Path) -> AbstractContextManager[str]:
        opened.append(archive)
        return local_copy(archive, folder)

    monkeypatch.setattr(cache, "local_copy", counted)
    open_sharded_cache(dataset, tmp_path, SPEC, 4, Half(1, 2))
    assert len(set(opened)) == len(opened) == 2


class Half(ProcessGroup):
    """One of two processes whose other one is not there."""

    def where(self, condition: bool, work: object) -> object:  # type: ignore[override]
        return work()  # type: ignore[operator]

    def all_texts(self, own: str) -> list[str]:
        return [own, '{"kept": [], "hashes": [], "skipped": []}']


def test_a_picture_of_another_process_cannot_be_read() -> None:
    pixels = PixelsWithGaps(4, (1, 2, 2), [(np.array([1, 3]), np.ones((2, 1, 2, 2), np.uint8))])
    assert pixels[np.array([3, 1])].sum() == 8
    with pytest.raises(LookupError, match="another has its shard"):
        pixels[np.array([0])]


def test_places_are_divided_without_a_rest() -> None:
    shards = torch.randint(5, (40,), generator=torch.Generator().manual_seed(0)).numpy()
    for of in (None, shards):
        places = [own_places(of, 40, 5, ProcessGroup(rank, 3)) for rank in range(3)]
        assert sorted(np.concatenate(places).tolist()) == list(range(40))
