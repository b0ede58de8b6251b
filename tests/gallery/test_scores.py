"""The scores of a calibration: those of a plain loop over the whole gallery, however it came to be what it is."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.metrics.made import rows
from tests.tiny_model import tiny_model

from semelha.embedders import Model
from semelha.errors import CalibrationError
from semelha.gallery.calibration.rule import rule_of
from semelha.gallery.calibration.scores import may_be_nearer, score_strangers, score_subjects
from semelha.index import LinearIndex, Snapshot
from semelha.metrics import Cosine, JensenShannon, KullbackLeibler, Metric
from semelha.store import NewExample, Plan, Scores, Store, Strangers, View

METRICS = [Cosine(), KullbackLeibler(), JensenShannon()]
PLAN = Plan("subjects", 0.5, seed=7)
FIRST = Plan("subjects", 0.5, seed=0)
TRAINED = ("s3", "hash of 5")  # a class and a picture that the model was trained on


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "s.sqlite")
    yield made
    made.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return tiny_model(tmp_path_factory.mktemp("m") / "model", classes=TRAINED[:1], content_hashes=TRAINED[1:])


def examples(metric: Metric, numbers: list[int]) -> list[NewExample]:
    vectors = [rows(metric, 1, seed=number)[0].astype(np.float32) for number in numbers]
    return [NewExample(v, f"hash of {n}", str(n), None) for v, n in zip(vectors, numbers, strict=True)]


def index_of(view: View, metric: Metric) -> Snapshot:
    index = LinearIndex(metric)
    index.build(*view.added_since(0))
    return index.snapshot()


def plain(view: View, metric: Metric, seed: int) -> dict[str, float]:
    """Score of each subject that has one, from all distances."""
    ids, vectors = view.added_since(0)
    order = np.argsort(ids)  # what an undo brought back has an old number and a late change
    ids, vectors = ids[order], vectors[order]
    owner = [view.owners([i])[i][0] for i in ids.tolist()]
    found = {}
    for number, name in view.names().items():
        members = [row for row, other in enumerate(owner) if other == name]
        hashes = {content for _, content in view.examples_of(number)}
        if name == TRAINED[0] or TRAINED[1] in hashes:
            continue
        drawn = np.random.default_rng([seed, *name.encode()]).choice(members)
        others = [row for row, other in enumerate(owner) if other != name]
        if others:
            stored = vectors[others].astype(float)
            found[name] = float(metric.pairwise(vectors[[drawn]].astype(float), stored).min())
    return found


def by_name(view: View, scores: Scores) -> dict[str, float]:
    names = view.names()
    assert len(set(scores.subjects.tolist())) == len(scores)
    scored = zip(scores.subjects.tolist(), scores.nearest.tolist(), scores.distances.tolist(), strict=True)
    return {names[number]: distance for number, nearest, distance in scored if nearest >= 0}


def changed_at_random(store: Store, metric: Metric, turn: int, random: np.random.Generator) -> None:
    with store.reading() as view:
        names = list(view.names().values())
        merges = [merge.number for merge in view.merges() if merge.inside is None and merge.source not in names]
    kind = random.integers(6) if len(names) > 3 else 0
    if kind <= 1:
        shared = [30_000 + int(random.integers(4))]  # a picture that others have too
        store.add(f"s{random.integers(9)}", examples(metric, [3 * turn, 3 * turn + 1, 3 * turn + 2, *shared]))
    elif kind == 4:
        store.merge(*random.choice(names, 2, replace=False).tolist())
    elif kind == 5:
        if merges:
            store.unmerge(int(random.choice(merges)))
    elif kind == 2:
        store.remove(str(random.choice(names)))
    else:
        store.rename(str(random.choice(names)), f"renamed {turn}")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_subjects_as_they_come_go_and_are_renamed_merged_and_parted(store: Store, model: Model, metric: Metric) -> None:
    random = np.random.default_rng(0)
    synced: Scores | None = None
    for turn in range(60):
        for _ in range(random.integers(1, 4)):
            changed_at_random(store, metric, 3 * turn + _, random)
        with store.reading() as view:
            index = index_of(view, metric)
            synced = score_subjects(view, index, model, PLAN, synced)
            anew = score_subjects(view, index, model, PLAN, None)
            expected = plain(view, metric, 7)
            assert synced.change == view.change
            for scores in (synced, anew):
                assert by_name(view, scores) == pytest.approx(expected, rel=1e-9, abs=1e-9)
        if turn == 30:
            store.trim(synced.change + 1)  # from here on what follows is behind the log


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_strangers_as_others_come_and_go(store: Store, metric: Metric) -> None:
    random = np.random.default_rng(1)
    strangers = rows(metric, 7, seed=10_000).astype(np.float32)
    synced: Scores | None = None
    for turn in range(40):
        changed_at_random(store, metric, turn, random)
        with store.reading() as view:
            index = index_of(view, metric)
            synced = score_strangers(view, index, Strangers(np.zeros(7, np.int64), strangers), synced)
            expected = metric.pairwise(strangers.astype(float), view.added_since(0)[1].astype(float)).min(axis=1)
        np.testing.assert_allclose(synced.distances, expected, rtol=1e-9, atol=1e-9)


def test_many_examples_of_one_subject_do_not_hide_the_others(store: Store, model: Model) -> None:
    """More of them are nearer than are looked at first."""
    base = rows(Cosine(), 1, seed=0)[0]
    noise = np.random.default_rng(0).normal(size=(300, len(base))) / 1e4
    crowd = [NewExample((base + one).astype(np.float32), f"c{i}", "", None) for i, one in enumerate(noise)]
    store.add("crowd", crowd)
    store.add("other", examples(Cosine(), [1]))
    with store.reading() as view:
        scores = score_subjects(view, index_of(view, Cosine()), model, FIRST, None)
        assert by_name(view, scores) == pytest.approx(plain(view, Cosine(), 0), rel=1e-9)
        assert set(by_name(view, scores)) == {"crowd", "other"}


def test_one_subject_alone_has_no_score_until_another_comes(store: Store, model: Model) -> None:
    store.add("one", examples(Cosine(), [0, 1]))
    with store.reading() as view:
        alone = score_subjects(view, index_of(view, Cosine()), model, FIRST, None)
        assert (alone.nearest.tolist(), alone.distances.tolist()) == ([-1], [np.inf])
        with pytest.raises(CalibrationError):
            rule_of(view, FIRST, alone)
    store.add("two", examples(Cosine(), [2]))
    with store.reading() as view:
        both = score_subjects(view, index_of(view, Cosine()), model, FIRST, alone)
        assert by_name(view, both) == pytest.approx(plain(view, Cosine(), 0))
        assert len(by_name(view, both)) == 2


def test_the_rule_is_in_the_order_of_names(store: Store, model: Model) -> None:
    for number, name in enumerate(["b", "c", "a"]):
        store.add(name, examples(Cosine(), [number]))
    with store.reading() as view:
        scores = score_subjects(view, index_of(view, Cosine()), model, FIRST, None)
        rule = rule_of(view, FIRST, scores)
        expected = plain(view, Cosine(), 0)
    assert rule.place == {"a": 0, "b": 1, "c": 2}
    assert rule.calibration.scores.tolist() == pytest.approx([expected[name] for name in "abc"])


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
@pytest.mark.parametrize("d", [3, 64, 2048])
def test_no_vector_is_left_out_that_is_nearer_in_float64(d: int, scale: float) -> None:
    random = np.random.default_rng(d)
    added = (scale * random.normal(size=(5, d))).astype(np.float32)
    near = added[random.integers(5, size=400)] * (1 + 10.0 ** random.uniform(-7, 0, (400, 1)) * random.normal(size=d))
    vectors = near.astype(np.float32)
    exact = Cosine().pairwise(vectors.astype(np.float64), added.astype(np.float64)).min(axis=1)
    assert may_be_nearer(Cosine(), vectors, added, np.nextafter(exact, 1)).all()
    assert not may_be_nearer(Cosine(), vectors, added, exact - 1e-3 - 1e-6 * d).any()
    assert may_be_nearer(Cosine(), np.zeros((1, d), np.float32), added, np.ones(1)).all()
    assert may_be_nearer(KullbackLeibler(), np.abs(vectors), np.abs(added), np.zeros(400)).all()
