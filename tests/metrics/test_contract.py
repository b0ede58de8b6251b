"""What every metric does: found by its name, so that a new one is tested the moment it exists."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.metrics.made import DIM, EVERY, HISTOGRAMS, rows, with_zeros

import semelha.metrics
from semelha.errors import ModelError, UsageError
from semelha.metrics import METRICS, MappedMetric, Metric, metric_from_card, pack_gaussians

every_metric = pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.name)
mapped_metric = pytest.mark.parametrize(
    "metric", [metric for metric in EVERY if isinstance(metric, MappedMetric)], ids=lambda metric: metric.name
)
some = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def valid(metric: Metric, n: int) -> st.SearchStrategy[np.ndarray]:
    """n rows that the metric takes, by hypothesis: small and large, with zeros and with equal rows."""
    if metric.domain == "histograms":
        counts = arrays(np.float64, (n, DIM), elements=st.sampled_from([0.0, 0.0, 1e-9, 1.0, 2.0, 3.5, 1e5]))
        return counts.map(lambda x: x + (x.sum(axis=1, keepdims=True) == 0)).map(lambda x: x / x.sum(1, keepdims=True))
    if metric.domain == "gaussians":
        size = st.floats(-3, 3, width=32)
        packed = st.tuples(arrays(np.float64, (n, 2), elements=size), arrays(np.float64, (n, 2, 3), elements=size))
        return packed.map(lambda x: pack_gaussians(x[0], x[1] @ x[1].transpose(0, 2, 1) + np.eye(2) / 8))
    return arrays(np.float64, (n, DIM), elements=st.floats(-1e3, 1e3, width=16))


def test_every_metric_of_the_package_is_here_and_named() -> None:
    public = [getattr(semelha.metrics, name) for name in semelha.metrics.__all__]
    concrete = {
        kind for kind in public if isinstance(kind, type) and issubclass(kind, Metric) and hasattr(kind, "name")
    }
    assert concrete == set(METRICS.values()) == {type(metric) for metric in EVERY}
    assert len(concrete) >= 18


@every_metric
class TestEveryMetric:
    def test_between_is_the_diagonal(self, metric: Metric) -> None:
        q, s = rows(metric, 7), rows(metric, 7, seed=1)
        np.testing.assert_allclose(metric.between(q, s), np.diag(metric.pairwise(q, s)), rtol=1e-9, atol=1e-13)

    def test_identity(self, metric: Metric) -> None:
        @some
        @given(valid(metric, 3))
        def holds(x: np.ndarray) -> None:
            x = x[np.any(x != 0, axis=1)] if metric.name == "cosine" else x
            np.testing.assert_allclose(
                metric.between(x, x), 0, atol=1e-6 if metric.name == "gaussian-matusita" else 1e-12
            )

        holds()

    def test_never_below_zero_nor_nan_and_symmetric_where_claimed(self, metric: Metric) -> None:
        @some
        @given(valid(metric, 4))
        def holds(x: np.ndarray) -> None:
            one, other = metric.pairwise(x[:2], x[2:]), metric.pairwise(x[2:], x[:2])
            assert (one >= 0).all()
            if metric.is_symmetric:
                np.testing.assert_allclose(one, other.T, rtol=1e-7, atol=1e-7)
            np.testing.assert_allclose(
                metric.between(x[:2], x[2:]), np.diag(one), rtol=1e-6, atol=1e-7 * (1 + np.abs(x).max())
            )

        holds()

    def test_triangle_inequality_where_claimed(self, metric: Metric) -> None:
        if not metric.has_triangle_inequality:
            return

        @some
        @given(valid(metric, 3))
        def holds(x: np.ndarray) -> None:
            ab, bc, ac = (float(metric.between(x[i : i + 1], x[j : j + 1])[0]) for i, j in ((0, 1), (1, 2), (0, 2)))
            assert ac <= (ab + bc) * (1 + 1e-9) + 1e-7

        holds()

    def test_what_is_not_claimed_does_not_hold(self, metric: Metric) -> None:
        """A claim is left out only where there is a counterexample."""
        q, s = rows(metric, 30), rows(metric, 30, seed=1)
        if not metric.is_symmetric:
            assert not np.allclose(metric.pairwise(q, s), metric.pairwise(s, q).T)
        if not metric.has_triangle_inequality:
            d = metric.pairwise(q, q)
            assert (d[:, None, :] > d[:, :, None] + d[None, :, :] + 1e-9).any()

    def test_torch_gives_the_same_numbers_and_gradients(self, metric: Metric) -> None:
        torch = pytest.importorskip("torch")
        x, y = rows(metric, 3), rows(metric, 2, seed=1)
        q, s = torch.tensor(x, requires_grad=True), torch.tensor(y, requires_grad=True)
        np.testing.assert_allclose(metric.pairwise(q, s).detach().numpy(), metric.pairwise(x, y), rtol=1e-9, atol=1e-14)
        assert torch.autograd.gradcheck(metric.pairwise, (q, s))
        assert torch.autograd.gradcheck(metric.between, (q[:2], s))

    def test_gradients_are_finite_between_equal_rows(self, metric: Metric) -> None:
        torch = pytest.importorskip("torch")
        for compare in (metric.between, metric.pairwise):
            x = torch.tensor(rows(metric, 3), requires_grad=True)
            compare(x, x.detach()).sum().backward()
            assert torch.isfinite(x.grad).all()

    def test_gradients_hold_at_zeros(self, metric: Metric) -> None:
        """Where the root and the logarithm have no derivative: vectors of zeros, and empty bins, reached as x² is.

        The same bins are empty on both sides: elsewhere a divergence is infinite.
        """
        torch = pytest.importorskip("torch")
        x = torch.tensor(rows(metric, 1), requires_grad=True)
        if metric.domain == "histograms":
            weight = torch.tensor(rows(metric, 1, seed=1) + 0.1)
            with torch.no_grad():
                x[:, [1, 3]] = 0

            def compare(x):
                q, s = x**2, (x * weight) ** 2
                return metric.pairwise(q / q.sum(dim=1, keepdim=True), s / s.sum(dim=1, keepdim=True))

            assert torch.autograd.gradcheck(compare, x)
        elif metric.domain == "vectors":
            zeros = torch.zeros(2, DIM, dtype=torch.float64, requires_grad=True)
            if metric.name != "cosine":  # which jumps there
                assert torch.autograd.gradcheck(metric.between, (zeros, zeros.detach()))
            metric.pairwise(zeros, x).sum().backward()
            metric.pairwise(zeros, zeros).sum().backward()
            assert torch.isfinite(zeros.grad).all()

    def test_nearest_is_a_plain_sort(self, metric: Metric) -> None:
        """With rows that are there many times, whose order is that of their position."""
        s = rows(metric, 3000)
        s[rows_of_copies] = s[5]
        q = np.concatenate([rows(metric, 3, seed=1), s[5:6], s[2999:]])
        expected = np.stack([metric.between(np.repeat(row[None], len(s), axis=0), s) for row in q])
        order = np.argsort(expected, axis=1, kind="stable")
        for k in (1, 10, 200):
            found = metric.nearest(q, s, k)
            np.testing.assert_array_equal(found.positions, order[:, :k])
            np.testing.assert_array_equal(found.distances, np.take_along_axis(expected, order[:, :k], axis=1))
        few = metric.nearest(q, s[:7], 7)
        np.testing.assert_array_equal(few.positions, np.argsort(expected[:, :7], axis=1, kind="stable"))
        assert metric.nearest(q[:0], s, 3).positions.shape == (0, 3)

    def test_nearest_in_torch(self, metric: Metric) -> None:
        torch = pytest.importorskip("torch")
        q, s = rows(metric, 4), rows(metric, 300, seed=1)
        ours, theirs = metric.nearest(q, s, 5), metric.nearest(torch.tensor(q, requires_grad=True), torch.tensor(s), 5)
        np.testing.assert_array_equal(ours.positions, theirs.positions.numpy())
        np.testing.assert_allclose(ours.distances, theirs.distances.numpy(), rtol=1e-9, atol=1e-13)

    def test_comes_back_from_its_card(self, metric: Metric) -> None:
        q, s = rows(metric, 3), rows(metric, 4, seed=1)
        again = metric_from_card({"name": metric.name, **metric.parameters()}, metric.arrays())
        assert type(again) is type(metric)
        np.testing.assert_array_equal(again.pairwise(q, s), metric.pairwise(q, s))
        with pytest.raises(ModelError, match="array"):
            metric_from_card({"name": metric.name}, {"nonsense": np.eye(DIM)})
        with pytest.raises(ModelError, match="takes no p"):
            metric_from_card({"name": metric.name, "p": 2}, metric.arrays())

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_numbers_that_are_none_are_an_error(self, metric: Metric, value: float) -> None:
        good, bad = rows(metric, 4), rows(metric, 4, seed=1)
        bad[2, 1] = value
        for compare in (metric.pairwise, metric.between, lambda q, s: metric.nearest(q, s, 2)):
            for pair in ((good, bad), (bad, good)):
                with pytest.raises(UsageError, match=r"row 2 of the (first|second) array"):
                    compare(*pair)

    def test_tensors_with_a_gradient_have_the_same_errors(self, metric: Metric) -> None:
        torch = pytest.importorskip("torch")
        good = torch.tensor(rows(metric, 4), requires_grad=True)
        for value in (np.nan, -np.inf):
            bad = rows(metric, 4)
            bad[2, 1] = value
            with pytest.raises(UsageError, match="row 2 of the second array"):
                metric.pairwise(good, torch.tensor(bad, requires_grad=True))

    @pytest.mark.parametrize("size", [1e-300, 1e30, 1e160, 1e300])
    def test_numbers_too_large_or_small_are_right_or_an_error(self, metric: Metric, size: float) -> None:
        if metric.domain == "histograms":
            return  # these sum to 1
        q, s = rows(metric, 3) * size, rows(metric, 3, seed=1) * size
        try:
            found = metric.pairwise(q, s)
        except UsageError:
            return
        assert not np.isnan(found).any()
        if metric.name == "cosine":
            np.testing.assert_allclose(found, metric.pairwise(q / size, s / size), rtol=1e-9)

    def test_shapes_that_are_wrong(self, metric: Metric) -> None:
        x = rows(metric, 4)
        with pytest.raises(UsageError, match=r"\(n, d\)"):
            metric.pairwise(x[0], x)
        with pytest.raises(UsageError, match=r"and \d+ in the other"):
            metric.pairwise(x[:, :-1], x)
        with pytest.raises(UsageError, match="row by row"):
            metric.between(x, x[:2])
        for k in (0, 5):
            with pytest.raises(UsageError, match="within 1 and the 4"):
                metric.nearest(x, x, k)

    def test_nothing_against_something(self, metric: Metric) -> None:
        x = rows(metric, 4)
        assert metric.pairwise(x[:0], x).shape == (0, 4)
        assert metric.pairwise(x, x[:0]).shape == (4, 0)
        assert metric.between(x[:0], x[:0]).shape == (0,)

    def test_types_of_numbers(self, metric: Metric) -> None:
        q, s = rows(metric, 4), rows(metric, 3, seed=1)
        single = metric.pairwise(q.astype(np.float32), s.astype(np.float32))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, metric.pairwise(q, s), atol=2e-3)
        assert metric.pairwise(q.astype(np.float32), s).dtype == np.float64
        with pytest.raises(UsageError, match="complex"):
            metric.pairwise(q.astype(complex), s)
        if metric.domain != "gaussians":
            whole = np.eye(DIM, dtype=np.uint8)
            np.testing.assert_array_equal(metric.pairwise(whole, whole), metric.pairwise(np.eye(DIM), np.eye(DIM)))


rows_of_copies = np.arange(100, 2900, 40)


@mapped_metric
class TestEveryMap:
    def test_is_link_of_the_product_of_the_maps(self, metric: MappedMetric) -> None:
        q, s = rows(metric, 6), rows(metric, 5, seed=1)
        a, b = metric.query_map(q), metric.stored_map(s)
        product = a @ b.T if metric.product == "ip" else ((a[:, None] - b[None]) ** 2).sum(axis=2)
        np.testing.assert_allclose(metric.link(product), metric.pairwise(q, s), rtol=1e-9, atol=1e-13)

    def test_a_nearer_product_is_a_smaller_distance(self, metric: MappedMetric) -> None:
        x = np.linspace(0.1, 0.9, 9) * (-1 if "leibler" in metric.name or metric.name == "jeffreys" else 1)
        link = metric.link(np.sort(x))
        assert (np.diff(link) < 0).all() if metric.product == "ip" else (np.diff(link) > 0).all()


@pytest.mark.parametrize("metric", HISTOGRAMS, ids=lambda metric: metric.name)
class TestEveryMetricOfHistograms:
    def test_negative_and_unnormalized_rows_are_an_error(self, metric: Metric) -> None:
        good, bad = rows(metric, 4), rows(metric, 4, seed=1)
        bad[3, :2] += [-bad[3, 0] - 0.1, bad[3, 0] + 0.1]
        with pytest.raises(UsageError, match=r"row 3 of the second array has -0.1 at column 0"):
            metric.pairwise(good, bad)
        bad = good.copy()
        bad[1] *= 3
        with pytest.raises(UsageError, match=r"row 1 of the first array sums to 3.*additive_smoothing"):
            metric.between(bad, good)
        with pytest.raises(UsageError, match="row 0 of the first array sums to 0"):
            metric.pairwise(np.zeros((1, 3)), np.full((1, 3), 1 / 3))
        with pytest.raises(UsageError, match="empty"):
            metric.pairwise(np.zeros((1, 0)), np.zeros((1, 0)))

    def test_many_bins_of_float32_are_histograms(self, metric: Metric) -> None:
        counts = np.random.default_rng(0).random((2, 35_000)).astype(np.float32)
        x = counts / counts.sum(axis=1, keepdims=True)
        assert np.isfinite(metric.pairwise(x, x)).all()

    def test_zeros_go_by_the_definition(self, metric: Metric) -> None:
        """`pairwise`, with its matrix products, against `between`, which has a term for each bin."""
        q, s = with_zeros(40), with_zeros(30, seed=1)
        every = np.stack([metric.between(np.repeat(row[None], len(s), axis=0), s) for row in q])
        np.testing.assert_allclose(metric.pairwise(q, s), every, rtol=1e-7, atol=1e-7)
        assert not np.isnan(every).any()
