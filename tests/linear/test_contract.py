"""What every learner must do. A learner is tested here the moment `semelha.linear.__all__` names it."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.linear.made import EVERY, clusters, every_pair

from semelha.errors import UsageError, VectorsError
from semelha.linear import RCA
from semelha.linear.base import Learner, LinearLearner, PairLearner, Transformer, TripletLearner
from semelha.linear.subspace import RankDeficiencyWarning

X, Y = clusters()
each = pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
each_linear = pytest.mark.parametrize("kind", [k for k in EVERY if issubclass(k, LinearLearner)])
each_transformer = pytest.mark.parametrize("kind", [k for k in EVERY if issubclass(k, Transformer)])
each_of_pairs = pytest.mark.parametrize("kind", [k for k in EVERY if hasattr(k, "fit_pairs")])
each_of_triplets = pytest.mark.parametrize("kind", [k for k in EVERY if issubclass(k, TripletLearner)])
each_supervised = pytest.mark.parametrize("kind", [k for k in EVERY if k.__name__ != "PCAWhitening"])
quiet = pytest.mark.filterwarnings("ignore::semelha.linear.subspace.RankDeficiencyWarning")


def learned(learner: Learner) -> dict[str, Any]:
    """Whatever `fit` left, by name."""
    return {name: value for name, value in vars(learner).items() if name.endswith("_")}


def assert_same(a: Learner, b: Learner) -> None:
    assert learned(a).keys() == learned(b).keys()
    for name, value in learned(a).items():
        np.testing.assert_array_equal(value, learned(b)[name], err_msg=name)


def distances(learner: Learner, x: Any = X) -> Any:
    return learner.pair_distance(x, every_pair(Y[: len(x)])[0])


@quiet
@parametrize_with_checks([kind() for kind in EVERY])
def test_scikit_learn_finds_nothing(estimator: Learner, check: Any) -> None:
    check(estimator)


@each
def test_has_a_docstring_with_its_source(kind: type[Learner]) -> None:
    assert "References\n" in (kind.__doc__ or "")


@each
def test_same_seed_same_result(kind: type[Learner]) -> None:
    assert_same(kind().fit(X, Y), kind().fit(X, Y))


@each
def test_a_clone_knows_nothing_and_learns_the_same(kind: type[Learner]) -> None:
    fitted = kind().fit(X, Y)
    assert not learned(clone(fitted))
    assert_same(clone(fitted).fit(X, Y), fitted)


@each
def test_global_randomness_is_left_alone(kind: type[Learner]) -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    kind().fit(X, Y)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@each
def test_tells_classes_apart_better_than_features_do(kind: type[Learner]) -> None:
    """Two features tell and ten are louder noise; whitening is not told which, but takes the loudness away."""
    x, y = clusters(1, n=360, d=12)
    x[:, 2:] *= 3
    pairs, same = every_pair(y[:120])
    found = kind().fit(x[120:], y[120:]).pair_distance(x[:120], pairs)
    plain = np.linalg.norm(x[pairs[:, 0]] - x[pairs[:, 1]], axis=1)

    def auc(d: Any) -> float:
        ranks = np.argsort(np.argsort(d))
        return float((ranks[~same].mean() - ranks[same].mean()) / len(d) + 0.5)

    assert auc(found) > auc(plain) + 0.02


@each_linear
def test_matrix_is_symmetric_and_positive_semi_definite(kind: type[LinearLearner]) -> None:
    learner = kind().fit(X, Y)
    m = learner.get_mahalanobis_matrix()
    assert learner.components_.shape[1] == X.shape[1]
    np.testing.assert_array_equal(m, m.T)
    np.testing.assert_allclose(m, learner.components_.T @ learner.components_)
    values = np.linalg.eigvalsh(m)
    assert values[0] >= -1e-12 * values[-1]
    assert values[-1] > 0


@each_linear
def test_distance_is_the_matrix_s(kind: type[LinearLearner]) -> None:
    learner = kind().fit(X, Y)
    pairs, _ = every_pair(Y)
    between = X[pairs[:, 0]] - X[pairs[:, 1]]
    expected = np.sqrt(np.einsum("ij,jk,ik->i", between, learner.get_mahalanobis_matrix(), between))
    np.testing.assert_allclose(learner.pair_distance(X, pairs), expected, atol=1e-9 * expected.max())


@each_transformer
def test_names_its_output(kind: type[Transformer]) -> None:
    learner = kind().fit(X, Y)
    names = learner.get_feature_names_out()
    assert len(names) == learner.transform(X).shape[1]
    assert names[0] == f"{kind.__name__.lower()}0"


@each_transformer
def test_stands_in_a_pipeline(kind: type[Transformer]) -> None:
    assert make_pipeline(kind(), KNeighborsClassifier(3)).fit(X, Y).score(X, Y) > 0.8


@each_linear
@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(12, 40),
    d=st.integers(1, 30),
    classes=st.integers(2, 5),
    copies=st.booleans(),
)
def test_any_shape_gives_a_finite_matrix(
    kind: type[LinearLearner], seed: int, n: int, d: int, classes: int, copies: bool
) -> None:
    """More dimensions than examples, few examples of a class, every example twice."""
    x, y = clusters(seed, n=n, d=d, classes=classes)
    if copies:
        x, y = np.repeat(x, 2, axis=0), np.repeat(y, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficiencyWarning)
        learner = kind().fit(x, y)
    assert np.isfinite(learner.components_).all()
    assert np.linalg.eigvalsh(learner.get_mahalanobis_matrix())[0] >= -1e-6 * np.linalg.norm(learner.components_) ** 2


@each
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(kind: type[Learner], bad: float) -> None:
    x = X.copy()
    x[3, 2] = bad
    with pytest.raises(VectorsError, match=r"NaN|infinity"):
        kind().fit(x, Y)
    with pytest.raises(VectorsError, match=r"NaN|infinity"):
        kind().fit(X, Y).pair_distance(x, [[0, 1]])


@each
def test_values_whose_squares_overflow_are_refused(kind: type[Learner]) -> None:
    with pytest.raises(VectorsError, match="overflow"):
        kind().fit(X * 1e200, Y)


@each
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_small_and_large_features_are_learned_from(kind: type[Learner], scale: float) -> None:
    assert np.isfinite(distances(kind().fit(X * scale, Y), X * scale)).all()


@each_supervised
def test_one_class_is_an_error_unless_it_says_enough(kind: type[Learner]) -> None:
    if kind.__name__ == "RCA":  # what varies within one class is all that it asks
        assert np.isfinite(kind().fit(X, np.zeros(len(X))).components_).all()
    else:
        with pytest.raises(VectorsError, match="of one class"):
            kind().fit(X, np.zeros(len(X)))


@each_supervised
def test_labels_are_needed(kind: type[Learner]) -> None:
    with pytest.raises(VectorsError, match="requires y"):
        kind().fit(X, None)


@each_supervised
@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
def test_every_example_a_class_of_its_own(kind: type[Learner]) -> None:
    """An error that says what is missing, or, where means alone are learned from, a result."""
    if kind.__name__ in {"LDA", "LFDA", "NCA", "NCMML"}:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert np.isfinite(distances(kind().fit(X, np.arange(len(X))))).all()
    else:
        with pytest.raises(VectorsError, match="no class has two examples"):
            kind().fit(X, np.arange(len(X)))


@each
def test_a_class_of_one_example_does_no_harm(kind: type[Learner]) -> None:
    assert np.isfinite(distances(kind().fit(X, np.where(np.arange(len(X)) == 5, 7, Y)))).all()


@each
def test_one_point_over_and_over_is_refused(kind: type[Learner]) -> None:
    with pytest.raises(VectorsError, match="same point"):
        kind().fit(np.ones((20, 3)), np.arange(20) % 2)


@each
@quiet
def test_duplicates_with_different_labels(kind: type[Learner]) -> None:
    x, y = np.concatenate([X, X[:30]]), np.concatenate([Y, Y[:30] + 1])
    assert np.isfinite(distances(kind().fit(x, y))).all()


@each
@quiet
def test_constant_columns_count_for_nothing_among_examples(kind: type[Learner]) -> None:
    x = np.column_stack([X, np.full(len(X), 7.0), np.zeros(len(X))])
    assert np.isfinite(distances(kind().fit(x, Y), x)).all()


@each
def test_a_constant_column_is_told(kind: type[Learner]) -> None:
    """One warning, where something was done; learners of single features, and ITML, whose prior decides, do nothing."""
    x = np.column_stack([X, np.full(len(X), 7.0)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kind().fit(x, Y)
    assert [w.category for w in caught] == [RankDeficiencyWarning] * kind().rank_only
    if kind().rank_only:
        assert str(caught[0].message).startswith(f"{kind.__name__}: the 90 examples span 6 of 7 dimensions")
        assert caught[0].filename == __file__


@each
@quiet
def test_more_dimensions_than_examples(kind: type[Learner]) -> None:
    x = np.random.default_rng(0).normal(size=(30, 200))
    learner = kind().fit(x, Y[:30])
    assert np.isfinite(distances(learner, x)).all()
    assert distances(learner, x).std() > 0


@each
def test_35000_dimensions_go_through_principal_components(kind: type[Learner]) -> None:
    """A d × d matrix would be 9.8 GB; the warning names what was done."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 4
    x = rng.normal(size=(40, 35_000)).astype(np.float32) + 0.5 * rng.normal(size=(4, 35_000)).astype(np.float32)[y]
    with pytest.warns(RankDeficiencyWarning, match="the 40 examples span 39 of 35000 dimensions"):
        learner = kind().fit(x, y)
    pairs, same = every_pair(y)
    found = learner.pair_distance(x, pairs)
    assert np.isfinite(found).all()
    if kind.__name__ != "PCAWhitening":
        assert np.median(found[same]) < np.median(found[~same])


@each
def test_integers_and_lists_are_numbers(kind: type[Learner]) -> None:
    x = np.round(10 * X).astype(np.int64)
    assert_same(kind().fit(x, Y), kind().fit(x.astype(float), Y))
    assert_same(kind().fit(x.tolist(), Y.tolist()), kind().fit(x, Y))


@each
def test_float32_learns_much_the_same(kind: type[Learner]) -> None:
    x = X.astype(np.float32)
    single, double = kind().fit(x, Y), kind().fit(x.astype(np.float64), Y)
    np.testing.assert_allclose(distances(single, x), distances(double, x), rtol=1e-3, atol=1e-4)


@each_linear
def test_float32_in_float32_out(kind: type[LinearLearner]) -> None:
    learner = kind().fit(X, Y)
    assert learner.transform(X.astype(np.float32)).dtype == np.float32
    assert learner.transform(X).dtype == learner.components_.dtype == np.float64


@each
def test_labels_may_be_names(kind: type[Learner]) -> None:
    assert_same(
        kind().fit(X, np.array(["pear", "apple", "fig"])[np.array([2, 0, 1])[Y]]), kind().fit(X, (Y + 1) % 3 + 4)
    )


@each
def test_nothing_can_be_asked_before_fit(kind: type[Learner]) -> None:
    with pytest.raises(NotFittedError):
        kind().pair_distance(X, [[0, 1]])


@each
def test_another_number_of_dimensions_is_refused(kind: type[Learner]) -> None:
    with pytest.raises(VectorsError, match="features"):
        kind().fit(X, Y).pair_distance(X[:, :4], [[0, 1]])


@each
def test_examples_are_not_changed(kind: type[Learner]) -> None:
    x, y = X.copy(), Y.copy()
    kind().fit(x, y)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


@pytest.mark.parametrize("kind", [k for k in EVERY if "n_components" in k().get_params()])
def test_components_are_counted(kind: type[LinearLearner]) -> None:
    assert kind(n_components=2).fit(X, Y).components_.shape == (2, 6)
    assert len(kind(n_components=100).fit(X, Y).components_) <= 6
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(UsageError, match="n_components"):
            kind(n_components=wrong).fit(X, Y)


@each_of_pairs
def test_learns_from_pairs(kind: Any) -> None:
    pairs, same = every_pair(Y)
    learner = kind().fit_pairs(X, pairs, same)
    found = learner.pair_distance(X, pairs)
    assert np.median(found[same]) < np.median(found[~same])
    assert_same(learner, kind().fit_pairs(X, pairs.tolist(), same.astype(int)))
    np.testing.assert_allclose(found, kind().fit_pairs(X, pairs[:, ::-1], same).pair_distance(X, pairs), rtol=1e-3)


@each_of_pairs
def test_pairs_that_say_nothing_are_refused(kind: Any) -> None:
    pairs, same = every_pair(Y)
    for wrong, alike in (
        (pairs, np.ones(len(pairs))),
        (pairs, same[:-1]),
        (pairs, np.full(len(pairs), 2)),
        (pairs.astype(float), same),
        (pairs + 1, same),
        (pairs - 1, same),
        (pairs[:0], same[:0]),
        (pairs[:, 0], same),
    ):
        with pytest.raises(VectorsError):
            kind().fit_pairs(X, wrong, alike)


@each_of_triplets
def test_learns_from_triplets(kind: Any) -> None:
    rng = np.random.default_rng(0)
    anchors = rng.integers(len(Y), size=600)
    triplets = np.array(
        [[a, rng.choice(np.flatnonzero(Y[a] == Y)), rng.choice(np.flatnonzero(Y[a] != Y))] for a in anchors]
    )
    learner = kind().fit_triplets(X, triplets)
    near, far = learner.pair_distance(X, triplets[:, :2]), learner.pair_distance(X, triplets[:, [0, 2]])
    assert (near < far).mean() > 0.9
    for wrong in (triplets[:, :2], triplets + 1, triplets - 1, triplets * 1.0, triplets[:0]):
        with pytest.raises(VectorsError):
            kind().fit_triplets(X, wrong)


def test_every_learner_says_what_it_learns_from() -> None:
    """Pairs and triplets where the method is defined on them."""
    assert {k.__name__ for k in EVERY if hasattr(k, "fit_pairs")} == {
        *("RCA", "KISSME", "XQDA", "GMML", "ITML", "BoostedSimilarity")
    }
    assert {k.__name__ for k in EVERY if issubclass(k, TripletLearner)} == {"BoostMetric", "RankSVM", "SignedRankSVM"}
    assert all(issubclass(k, PairLearner | Transformer | TripletLearner) for k in EVERY)


@pytest.mark.parametrize("shrinkage", [0.0, 1e-18, 1e-6, 0.2])
def test_rca_of_vectors_that_do_not_span_the_space(shrinkage: float) -> None:
    """However little it is shrunk: rounding makes no covariance indefinite."""
    random = np.random.default_rng(0)
    x = (random.normal(size=(60, 3)) @ random.normal(size=(3, 40)) * 10 ** random.uniform(-6, 6, 40)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learned = RCA(shrinkage=shrinkage).fit(x, np.arange(60) // 6)
    assert np.isfinite(learned.transform(x)).all()
