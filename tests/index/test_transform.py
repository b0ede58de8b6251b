"""The search transform states for each metric whether Euclidean distances keep its order."""

import numpy as np
import pytest

from semelha.index.rows import Rows
from semelha.index.space import Space
from semelha.index.transform import SearchTransform, fit_search_transform
from semelha.metrics import METRICS, Hellinger, KullbackLeibler

SQUARE_ROOTS = {"matusita", "squared-matusita", "hellinger", "squared-hellinger", "bhattacharyya"}


@pytest.mark.parametrize("name", [name for name, kind in METRICS.items() if kind.domain == "histograms"])
def test_square_roots_keep_the_order_of_the_metrics_that_compare_them(name: str) -> None:
    vectors = np.random.default_rng(0).dirichlet(np.ones(5), 20).astype(np.float32)
    transform, _ = fit_search_transform(Space(METRICS[name]()), vectors)
    assert transform.keeps_order is (name in SQUARE_ROOTS)


def test_a_saved_transform_may_claim_less_order_than_its_metric_has_but_not_more() -> None:
    vectors = np.full((2, 4), 0.25, np.float32)
    saved = {"by": "roots", "ordered": False, "length": 1.0, "even": False}
    rows = Rows(Space(Hellinger()), np.arange(2), vectors)
    assert SearchTransform.restore(saved, rows).keeps_order is False  # as files of earlier versions have it
    with pytest.raises(ValueError, match="order"):
        SearchTransform.restore(saved | {"ordered": True}, Rows(Space(KullbackLeibler()), np.arange(2), vectors))
