"""What callers may hand to an index: it is understood as it is meant, or refused; nothing that is held gets lost."""

from collections.abc import Callable

import numpy as np
import pytest
from tests.index.made import APPROXIMATE, EXACT, INDEXES, Make

from semelha.errors import UsageError
from semelha.index import HNSWIndex, Index, IVFIndex, LinearIndex, TreeIndex
from semelha.metrics import Cosine, Euclidean, ReverseKullbackLeibler, SquaredEuclidean

LARGEST = 2**63 - 1
VECTORS = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)


@pytest.fixture(params=INDEXES.values(), ids=INDEXES)
def make(request: pytest.FixtureRequest) -> Make:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def index(make: Make) -> Index:
    index = make(Euclidean())
    index.build(np.arange(60), VECTORS[:60])
    return index


@pytest.mark.parametrize("far", [1e18, 1e25, 1e100])
@pytest.mark.parametrize("n", [3, 60, 300])
def test_queries_beyond_float32_find_what_is_held(make: Make, far: float, n: int) -> None:
    """Products of float32 overflow: no row may vanish, and those of exact ones come in the order of float64."""
    for metric in (Euclidean(), SquaredEuclidean(), Cosine()):
        index = make(metric)
        index.build(np.arange(n), VECTORS[:n])
        queries = far * VECTORS[:30].astype(float)
        true = np.stack([metric.between(np.repeat(q[None], n, axis=0), VECTORS[:n].astype(float)) for q in queries])
        found = index.search(queries, 5)
        width = min(n, 5)
        assert (found.ids[:, :width] >= 0).all()
        assert np.array_equal(np.take_along_axis(true, found.ids[:, :width], 1), found.distances[:, :width])
        if make not in APPROXIMATE.values():
            assert np.array_equal(found.ids[:, :width], np.argsort(true, axis=1, kind="stable")[:, :width])


def test_vectors_beyond_float32_are_refused(make: Make) -> None:
    with pytest.raises(UsageError, match="the vectors has inf"):
        make(Euclidean()).add(np.array([1]), np.full((1, 4), 1e300))


def test_the_largest_id_is_none(index: Index) -> None:
    """It stands for no neighbor, so that nobody may have it; the one below is as good as any."""
    for change in (index.add, index.build):
        with pytest.raises(ValueError, match="unique, from 0 to"):
            change(np.array([LARGEST]), VECTORS[:1])
    index.add(np.array([LARGEST - 1]), VECTORS[:1])
    assert index.search(VECTORS[:1], 2).ids.tolist() == [[0, LARGEST - 1]]
    assert index.search(VECTORS[:1], 2, within=np.array([LARGEST, LARGEST - 1])).ids.tolist() == [[LARGEST - 1, -1]]


@pytest.mark.parametrize(
    "ids",
    [np.array([1.5]), np.array([400.0]), np.array([True]), np.array(["7"]), np.array([1 << 63], np.uint64), [1 << 70]],
    ids=lambda ids: str(ids),
)
def test_ids_are_whole_numbers(index: Index, ids: np.ndarray) -> None:
    """A mask, a fraction or a name is no id, and is not made one."""
    calls: list[Callable[[], object]] = [
        lambda: index.add(ids, VECTORS[:1]),
        lambda: index.build(ids, VECTORS[:1]),
        lambda: index.remove(ids),
        lambda: index.search(VECTORS[:1], 1, within=ids),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="integers below"):
            call()
    assert len(index) == 60


def test_a_mask_is_no_list_of_ids(index: Index) -> None:
    with pytest.raises(ValueError, match="not bool"):
        index.search(VECTORS[:1], 1, within=np.ones(60, bool))


def test_ids_of_every_whole_type(index: Index) -> None:
    index.remove(np.array([7], np.uint8))
    index.add(np.array([7], np.uint64), VECTORS[7:8])
    index.remove([7])  # type: ignore[arg-type]
    index.add([7], VECTORS[7:8])  # type: ignore[arg-type]
    index.remove([])  # type: ignore[arg-type]
    index.add([], np.empty((0, 4)))  # type: ignore[arg-type]
    assert index.search(VECTORS[7:8], 1, within=np.array([7, 8], np.int32)).ids.tolist() == [[7]]
    assert index.search(VECTORS[7:8], 1, within=[]).ids.tolist() == [[-1]]  # type: ignore[arg-type]
    assert index.search(VECTORS[7:8], 2, within=np.array([7, 7, 7])).ids.tolist() == [[7, -1]]


@pytest.mark.parametrize("shape", [(4,), (1, 1, 4), ()])
def test_queries_are_rows(index: Index, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"must be an array \(n, d\)"):
        index.search(np.zeros(shape), 1)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_query_that_the_maps_refuse_is_told_by_its_number(threads: int) -> None:
    """Among all, however many threads share them."""
    index = LinearIndex(ReverseKullbackLeibler(), threads=threads)
    index.build(np.arange(50), np.random.default_rng(0).dirichlet(np.ones(3), 50))
    queries = np.random.default_rng(1).dirichlet(np.ones(3), 100)
    queries[70] = [0, 0.5, 0.5]
    with pytest.raises(UsageError, match="row 70 of the queries has 0 at column 0"):
        index.search(queries, 3)


def test_queries_and_vectors_are_as_long_as_what_is_held(index: Index) -> None:
    with pytest.raises(UsageError, match="queries have 3 numbers"):
        index.search(np.zeros((1, 3)), 1)
    with pytest.raises(ValueError, match="have 3 numbers"):
        index.add(np.array([60]), np.zeros((1, 3)))
    index.add(np.array([60]), VECTORS[:1])
    with pytest.raises(ValueError, match="have 5 numbers"):
        index.add(np.array([61]), np.zeros((1, 5)))
    assert len(index) == 61


def test_what_was_handed_in_may_change_afterwards(make: Make) -> None:
    index, ids, vectors = make(Euclidean()), np.arange(300), VECTORS.copy()
    index.build(ids, vectors)
    before = index.search(VECTORS[:5], 4)
    ids[:] = 0
    vectors[:] = 0
    after = index.search(VECTORS[:5], 4)
    assert np.array_equal(before.ids, after.ids)
    assert np.array_equal(before.distances, after.distances)


def test_no_queries(index: Index) -> None:
    assert index.search(np.empty((0, 4)), 3).ids.shape == (0, 3)


def test_more_neighbors_than_there_are(index: Index) -> None:
    index.remove(np.arange(0, 60, 2))
    found = index.search(VECTORS[:2], 200)
    assert sorted(found.ids[0, :30].tolist()) == list(range(1, 60, 2))
    assert (found.ids[:, 30:] == -1).all()


def test_rows_that_are_all_one_point(make: Make) -> None:
    index = make(Euclidean())
    index.build(np.arange(300), np.repeat(VECTORS[:1], 300, axis=0))
    found = index.search(VECTORS[:1], 10)
    assert len(set(found.ids[0].tolist())) == 10
    assert (found.distances == 0).all()


@pytest.mark.parametrize("wrong", [{"tree": "quad"}, {"leaf_size": 0}], ids=str)
def test_wrong_trees(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"must be kd or ball|leaf_size is 0"):
        TreeIndex(Euclidean(), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [{"recall": 0.0}, {"recall": 1.0}, {"recall": float("nan")}, {"quantize": "4bit"}, {"seed": -1}, {"threads": 0}],
    ids=str,
)
@pytest.mark.parametrize("kind", [IVFIndex, HNSWIndex])
def test_wrong_settings(kind: type[IVFIndex | HNSWIndex], wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        kind(Euclidean(), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"M": 1}, {"M": 513}, {"ef_construction": 0}], ids=str)
def test_wrong_graphs(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r"M is (1|513): it must lie between 2 and 512|ef_construction is 0"):
        HNSWIndex(Euclidean(), **wrong)


def test_wrong_cells() -> None:
    with pytest.raises(UsageError, match="must be 1 or more"):
        IVFIndex(Euclidean(), n_cells=0)


@pytest.mark.parametrize("make", [EXACT["linear"], APPROXIMATE["hnsw"]], ids=["linear", "hnsw"])
def test_a_build_that_is_refused_changes_nothing(make: Make) -> None:
    index = make(Euclidean())
    index.build(np.arange(9), VECTORS[:9])
    for ids, vectors in (
        ([1, 1], VECTORS[:2]),
        ([-1], VECTORS[:1]),
        ([1], VECTORS[:2]),
        ([[1]], VECTORS[:1]),
        ([1], VECTORS[0]),
        ([1], np.full((1, 4), np.inf)),
    ):
        with pytest.raises((ValueError, UsageError)):
            index.build(np.array(ids), vectors)
        with pytest.raises((ValueError, UsageError)):
            index.add(np.array(ids) + 100, vectors) if ids != [-1] else index.add(np.array(ids), vectors)
    assert index.search(VECTORS[:9], 1).ids.ravel().tolist() == list(range(9))
    assert len(index) == 9
