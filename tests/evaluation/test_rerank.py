"""Query expansion and k-reciprocal re-ranking, against plain loops that follow the papers."""

import numpy as np
import pytest
from tests.evaluation.made import Known, dataset, evaluate

from semelha.errors import UsageError
from semelha.evaluation import KReciprocal, QueryExpansion
from semelha.evaluation.rerank import reranked_retrieval
from semelha.measures import retrieval
from semelha.metrics import Cosine, Euclidean, Mahalanobis, Metric


def points(n: int = 60, d: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n // 5), 5)
    centers = random.normal(size=(n // 5, d))
    return centers[labels] + 0.6 * random.normal(size=(n, d)), labels


def zhong(distances: np.ndarray, k1: int, k2: int, weight: float) -> np.ndarray:
    """The re-ranked distances of all pairs, as in the paper, one picture at a time."""
    n = len(distances)
    d = distances / distances.max()
    order = [[i, *(j for j in np.argsort(d[i], kind="stable") if j != i)] for i in range(n)]

    def nearest(i: int, k: int) -> set[int]:
        return set(order[i][: k + 1])

    def reciprocal(i: int, k: int) -> set[int]:
        return {j for j in nearest(i, k) if i in nearest(j, k)}

    encoding = np.zeros((n, n))
    for p in range(n):
        wide = set(own := reciprocal(p, k1))
        for q in own:
            theirs = reciprocal(q, k1 // 2)
            if len(own & theirs) >= 2 / 3 * len(theirs):
                wide |= theirs
        for g in wide:
            encoding[p, g] = np.exp(-d[p, g])
    encoding = np.array([np.mean([encoding[j] for j in order[p][:k2]], axis=0) for p in range(n)])
    jaccard = np.array([[1 - np.minimum(a, b).sum() / np.maximum(a, b).sum() for b in encoding] for a in encoding])
    return (1 - weight) * jaccard + weight * d


METRICS = [Euclidean(), Cosine(), Mahalanobis(L=np.diag(np.arange(1.0, 7.0)))]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("settings", [KReciprocal(), KReciprocal(k1=7, k2=3, weight=0.1), KReciprocal(4, 1, 1.0)])
def test_k_reciprocal_equals_the_paper(metric: Metric, settings: KReciprocal) -> None:
    x, _ = points()
    everything = np.arange(len(x))
    second = settings(x, everything, everything, metric=metric, groups=everything)
    found = second.metric.pairwise(second.queries, second.references)
    expected = zhong(metric.pairwise(x, x), settings.k1, settings.k2, settings.weight)
    off = ~np.eye(len(x), dtype=bool)  # the distance of a picture to itself is asked by nobody
    np.testing.assert_allclose(found[off], expected[off], atol=1e-6)


def test_queries_and_references_are_one_set() -> None:
    x, _ = points()
    queries, references = np.arange(0, 60, 3), np.array([i for i in range(60) if i % 3])
    second = KReciprocal()(x, queries, references, metric=Euclidean(), groups=np.arange(60))
    expected = zhong(Euclidean().pairwise(x, x), 20, 6, 0.3)[np.ix_(queries, references)]
    np.testing.assert_allclose(second.metric.pairwise(second.queries, second.references), expected, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_query_expansion_equals_the_paper(alpha: float) -> None:
    x, _ = points()
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    queries, references = np.arange(20), np.arange(20, 60)
    expected = []
    for q in queries:
        nearest = sorted(references, key=lambda r: -unit[q] @ unit[r])[:4]
        expected.append(unit[q] + sum(max(unit[q] @ unit[r], 0) ** alpha * unit[r] for r in nearest))
    second = QueryExpansion(4, alpha)(x, queries, references, metric=Cosine(), groups=np.arange(60))
    np.testing.assert_allclose(second.queries, expected, atol=1e-6)
    np.testing.assert_allclose(second.references, unit[references], atol=1e-12)


def test_a_picture_never_matches_itself_or_its_group() -> None:
    """Two identical pictures of a burst neither match nor move each other."""
    x, labels = points()
    x[1] = x[0]
    groups = np.array([None] * len(x), object)
    groups[:2] = "burst"
    everything = np.arange(len(x))
    for rerank in (KReciprocal(), QueryExpansion()):
        found = reranked_retrieval(rerank, x, labels, everything, everything, metric=Cosine(), groups=groups)
        assert not (found.nearest == everything[:, None]).any()
        assert 1 not in found.nearest[0]
        assert 0 not in found.nearest[1]
    apart = x.copy()
    apart[1] = -x[0]
    moved = [QueryExpansion()(v, everything, everything, metric=Cosine(), groups=np.r_[0, 0, 2:60]) for v in (x, apart)]
    np.testing.assert_allclose(moved[0].queries[0], moved[1].queries[0])


def test_re_ranking_helps_with_many_pictures_of_a_class() -> None:
    """Overlapping classes of 20 pictures."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(15), 20)
    x = random.normal(size=(15, 16))[labels] + 0.9 * random.normal(size=(300, 16))
    everything = np.arange(len(x))
    plain = retrieval(x, labels, metric=Cosine())
    for rerank in (KReciprocal(), QueryExpansion()):
        again = reranked_retrieval(rerank, x, labels, everything, everything, metric=Cosine())
        assert again.map_at_r > plain.map_at_r + 0.05


def test_an_evaluation_notes_that_it_is_re_ranked() -> None:
    data = dataset(classes=30, each=4)
    plain = evaluate(Known(), data, baselines={"same": Known()}, fpir=0.2)
    again = evaluate(Known(), data, baselines={"same": Known()}, fpir=0.2, rerank=KReciprocal(4, 2))
    assert again.result.retrieval.distances[0, 0] != plain.result.retrieval.distances[0, 0]
    assert again.baselines["same"].retrieval.r_at == plain.baselines["same"].retrieval.r_at
    assert again.result.verification.auc == plain.result.verification.auc
    assert any("KReciprocal(k1=4, k2=2, weight=0.3)" in note for note in again.notes)
    split = evaluate(Known(), dataset(classes=30, each=4, split=["train", "test", "test", "else"].__getitem__),
                     fpir=0.2, rerank=KReciprocal(4, 2))  # fmt: skip
    assert split.result.retrieval.r_at[1] > 0.5


def test_bad_settings_are_refused() -> None:
    x, _ = points()
    everything = np.arange(60)
    with pytest.raises(UsageError, match="compared by cosine, not by euclidean"):
        QueryExpansion()(x, everything, everything, metric=Euclidean(), groups=everything)
    for wrong in (lambda: QueryExpansion(0), lambda: QueryExpansion(3, -1), lambda: KReciprocal(1),
                  lambda: KReciprocal(5, 6), lambda: KReciprocal(weight=1.5)):  # fmt: skip
        with pytest.raises(UsageError):
            wrong()


def test_fewer_pictures_than_neighbors() -> None:
    x, labels = points(10)
    everything = np.arange(10)
    for rerank in (KReciprocal(), QueryExpansion(50)):
        found = reranked_retrieval(rerank, x, labels, everything, everything, metric=Cosine())
        assert np.isfinite(found.map_at_r)
