"""Minings choose what pytorch-metric-learning's miners list, and what is drawn by chance is drawn by its weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_metric_learning import distances as pml_distances
from pytorch_metric_learning import losses as pml
from pytorch_metric_learning import miners
from pytorch_metric_learning.miners import distance_weighted_miner
from tests.deep.losses.oracles import EVEN, TWINS, UNEVEN, assert_equal, embeddings
from torch import Tensor

from semelha.deep.losses import (
    AllPairs,
    BatchHard,
    Circle,
    Contrastive,
    DistanceWeighted,
    EasyPositive,
    Hard,
    MarginLoss,
    Mining,
    MultiSimilarity,
    MultiSimilarityMining,
    Pairs,
    References,
    SemiHard,
    SupCon,
)
from semelha.deep.losses.distances import make_pairs
from semelha.errors import UsageError
from semelha.metrics import Cosine, Euclidean, KullbackLeibler, Mahalanobis, Metric, SquaredEuclidean

COSINE = pml_distances.CosineSimilarity()


def paired(labels: Tensor, seed: int = 0) -> Pairs:
    return make_pairs(embeddings(labels, seed), labels, None, Euclidean())


def easy(negatives: str) -> Any:
    return miners.BatchEasyHardMiner("easy", negatives)


MINERS: list[tuple[Mining, Callable[[], Any]]] = [
    (AllPairs(), lambda: miners.TripletMarginMiner(9.0, "all")),
    (SemiHard(0.3), lambda: miners.TripletMarginMiner(0.3, "semihard")),
    (SemiHard(), lambda: miners.TripletMarginMiner(9.0, "semihard")),
    (Hard(), lambda: miners.TripletMarginMiner(9.0, "hard")),
    (BatchHard(), miners.BatchHardMiner),
    (EasyPositive(), lambda: easy("semihard")),
    (EasyPositive("hard"), lambda: easy("hard")),
    (MultiSimilarityMining(0.2), lambda: miners.MultiSimilarityMiner(0.2, distance=pml_distances.LpDistance())),
]


@pytest.mark.parametrize(("mining", "theirs"), MINERS, ids=[repr(mining) for mining, _ in MINERS])
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("labels", [EVEN, UNEVEN, TWINS], ids=["even", "uneven", "twins"])
def test_pairs_are_those_of_the_miner(mining: Mining, theirs: Callable[[], Any], labels: Tensor, apart: bool) -> None:
    """Within a batch, and with references apart from it."""
    x, other = embeddings(labels), torch.cat([labels, labels])
    references = References(embeddings(other, seed=1), other) if apart else None
    pairs = make_pairs(x, labels, references, Euclidean())
    if isinstance(mining, AllPairs):  # theirs leaves out what stands in no triplet
        some = pairs.positive.any(dim=1, keepdim=True) & pairs.negative.any(dim=1, keepdim=True)
        pairs = pairs.only(pairs.positive & some, pairs.negative & some)
    found = mining.pairs(pairs)
    listed = theirs()(x, labels, *((references.embeddings, references.labels) if references else ()))
    anchors, positives, other_anchors, negatives = listed if len(listed) == 4 else (*listed[:2], listed[0], listed[2])
    positive, negative = torch.zeros_like(pairs.positive), torch.zeros_like(pairs.negative)
    positive[anchors, positives] = True
    negative[other_anchors, negatives] = True
    assert positive.any()
    assert torch.equal(found.positive, positive)
    assert torch.equal(found.negative, negative)


def test_an_easy_positive_with_all_negatives() -> None:
    pairs = paired(UNEVEN)
    found = EasyPositive("all").pairs(pairs)
    some = pairs.positive.any(dim=1)
    assert torch.equal(found.positive.sum(dim=1), some.long())
    assert torch.equal(found.negative, pairs.negative & some[:, None])
    with pytest.raises(UsageError, match="it must be one of all, semi-hard, hard"):
        EasyPositive("easy")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ours", "theirs", "miner"),
    [
        (MultiSimilarity(mining=MultiSimilarityMining()), pml.MultiSimilarityLoss(), miners.MultiSimilarityMiner()),
        (
            Circle(mining=SemiHard(0.4)),
            pml.CircleLoss(),
            miners.TripletMarginMiner(0.4, "semihard", distance=COSINE),
        ),
        (
            SupCon(mining=EasyPositive()),
            pml.SupConLoss(),
            miners.BatchEasyHardMiner("easy", "semihard", distance=COSINE),
        ),
        (
            Contrastive(negative_margin=0.8, metric=Cosine(), mining=BatchHard()),
            pml.ContrastiveLoss(pos_margin=1, neg_margin=0.2, distance=COSINE),
            miners.BatchHardMiner(distance=COSINE),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_loss_of_what_was_mined(ours: Any, theirs: Any, miner: Any) -> None:
    assert_equal(ours, lambda x, labels: theirs(x, labels, miner(x, labels)))


@pytest.mark.parametrize("labels", [EVEN, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("dim", [5, 64])
def test_weights_are_those_of_the_distance_weighted_miner(
    labels: Tensor, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Theirs hands its weights, which sum to 1 by anchor, to a function that draws: that one keeps them."""
    seen: list[Tensor] = []

    def keep(labels: Tensor, ref_labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen.append(weights)
        return labels[:0], labels[:0], labels[:0]

    monkeypatch.setattr(distance_weighted_miner.lmu, "get_random_triplet_indices", keep)
    x = torch.randn(len(labels), dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    miners.DistanceWeightedMiner()(x, labels)
    log_weights = DistanceWeighted().log_weights(make_pairs(x, labels, None, Euclidean()))
    expected = seen[0].nan_to_num(0.0)  # where an anchor has none, theirs divides 0 by 0
    assert (expected.sum(dim=1) > 0).any()
    torch.testing.assert_close(log_weights.softmax(dim=1).nan_to_num(0.0), expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("metric", [SquaredEuclidean(), Cosine()], ids=lambda metric: metric.name)
def test_weights_are_of_the_euclidean_distance_whatever_the_unit(metric: Metric) -> None:
    x = embeddings(UNEVEN)
    expected = DistanceWeighted().log_weights(make_pairs(x, UNEVEN, None, Euclidean()))
    found = DistanceWeighted().log_weights(make_pairs(x, UNEVEN, None, metric))
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("metric", [KullbackLeibler(), Mahalanobis(M=np.eye(4))], ids=lambda metric: metric.name)
def test_a_metric_that_tells_no_euclidean_distance_is_refused(metric: Metric) -> None:
    """Its distances would be weighed by a density that is not theirs."""
    with pytest.raises(UsageError, match="take one of cosine, euclidean, squared-euclidean"):
        MarginLoss(metric=metric)


def test_negatives_are_drawn_by_their_weights() -> None:
    """One for an anchor with one positive: 20,000 draws against the weights, by χ²."""
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    x = embeddings(labels, seed=4)
    times = 20_000
    expected = DistanceWeighted().log_weights(make_pairs(x, labels, None, Euclidean())).softmax(dim=1)[0]
    anchors = References(x, labels, torch.zeros(times, dtype=torch.int64))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pairs = make_pairs(x[:1].repeat(times, 1), labels[:1].repeat(times), anchors, Euclidean())
        drawn = DistanceWeighted().pairs(pairs).negative.sum(dim=0).double()
    assert drawn.sum() == times
    possible = expected > 0
    assert drawn[~possible].sum() == 0
    square = ((drawn - times * expected).square() / (times * expected))[possible].sum()
    assert square < 24.3  # of 7 degrees of freedom at most: exceeded once in a thousand times


def test_as_many_negatives_as_positives_are_drawn_and_none_twice() -> None:
    pairs = paired(UNEVEN)
    found = DistanceWeighted(farthest=2.1).pairs(pairs)
    assert not (found.negative & ~pairs.negative).any()
    wanted = torch.minimum(pairs.positive.sum(dim=1), pairs.negative.sum(dim=1))
    assert torch.equal(found.negative.sum(dim=1), wanted)
    assert torch.equal(found.positive, pairs.positive)
    other = DistanceWeighted(farthest=2.1).pairs(pairs).negative
    assert not torch.equal(found.negative, other)


def test_an_anchor_without_a_negative_to_draw_is_left_out() -> None:
    found = DistanceWeighted(farthest=1e-3).pairs(paired(EVEN))
    assert not found.positive.any()
    assert not found.negative.any()


@pytest.mark.parametrize("mining", [kind for kind, _ in MINERS] + [DistanceWeighted()], ids=repr)
def test_what_is_chosen_was_there_and_has_no_gradient(mining: Mining) -> None:
    x = embeddings(UNEVEN).requires_grad_()
    pairs = make_pairs(x, UNEVEN, None, Euclidean())
    found = mining.pairs(pairs)
    assert not (found.positive & ~pairs.positive).any()
    assert not (found.negative & ~pairs.negative).any()
    assert not mining.triplets(pairs, 0.2).requires_grad
    assert found.distance is pairs.distance


def test_the_margin_loss_draws_by_distance_unless_told_otherwise() -> None:
    assert MarginLoss().mining == DistanceWeighted()
