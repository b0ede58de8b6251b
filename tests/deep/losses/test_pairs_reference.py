"""Losses of pairs and triplets: value and gradient are those of pytorch-metric-learning, which lists them.

Where its definition differs from ours, the difference stands in the test.
"""

import math
from typing import Any

import pytest
import torch
from pytorch_metric_learning import distances as pml_distances
from pytorch_metric_learning import losses as pml
from pytorch_metric_learning import miners, reducers
from tests.deep.losses.oracles import EVEN, TWINS, UNEVEN, assert_equal, derived, embeddings
from torch import Tensor

from semelha.deep.losses import (
    AllPairs,
    BatchHard,
    Circle,
    Contrastive,
    FastAP,
    GeneralizedLifted,
    Hard,
    InfoNCE,
    LiftedStructure,
    MarginLoss,
    Mining,
    MultiSimilarity,
    NPair,
    NTXent,
    References,
    SemiHard,
    SmoothAP,
    SupCon,
    Triplet,
)
from semelha.errors import UsageError
from semelha.metrics import METRICS, Bhattacharyya, Cosine, Euclidean, SquaredEuclidean

MEAN = reducers.MeanReducer()


@pytest.mark.parametrize(("positive_margin", "negative_margin"), [(0.0, 1.0), (0.7, 1.3)])
def test_contrastive(positive_margin: float, negative_margin: float) -> None:
    assert_equal(
        Contrastive(positive_margin=positive_margin, negative_margin=negative_margin),
        pml.ContrastiveLoss(pos_margin=positive_margin, neg_margin=negative_margin),
    )


def test_contrastive_with_another_metric() -> None:
    """Theirs takes margins of the cosine itself, ours of the distance 1 − cosine."""
    assert_equal(
        Contrastive(positive_margin=0.1, negative_margin=0.6, metric=Cosine()),
        pml.ContrastiveLoss(pos_margin=0.9, neg_margin=0.4, distance=pml_distances.CosineSimilarity()),
    )


MINERS = {
    AllPairs: lambda m, d: miners.TripletMarginMiner(m, "all", distance=d),
    SemiHard: lambda m, d: miners.TripletMarginMiner(m, "semihard", distance=d),
    Hard: lambda m, d: miners.TripletMarginMiner(m, "hard", distance=d),
    BatchHard: lambda m, d: miners.BatchHardMiner(distance=d),
}


@pytest.mark.parametrize("mining", MINERS)
@pytest.mark.parametrize("margin", [0.2, 1.0])
@pytest.mark.parametrize("cosine", [False, True])
def test_triplet(mining: type[Mining], margin: float, cosine: bool) -> None:
    distance: Any = pml_distances.CosineSimilarity() if cosine else pml_distances.LpDistance()
    miner = MINERS[mining](margin, distance)
    loss = pml.TripletMarginLoss(margin, distance=distance)
    assert_equal(
        Triplet(margin=margin, mining=mining(), metric=Cosine() if cosine else None),
        lambda x, labels: loss(x, labels, miner(x, labels)),
    )


@pytest.mark.parametrize("mining", MINERS)
def test_triplet_with_a_soft_margin(mining: type[Mining]) -> None:
    """Theirs mines within a margin, ours without: 9 is beyond any distance on the sphere."""
    miner = MINERS[mining](9.0, pml_distances.LpDistance())
    loss = pml.TripletMarginLoss(0.0, smooth_loss=True, reducer=MEAN)
    assert_equal(Triplet(margin=None, mining=mining()), lambda x, labels: loss(x, labels, miner(x, labels)))


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_supcon(temperature: float) -> None:
    """Theirs gives 0 where a batch is of one class; ours has the formula of the paper there too (see the loops)."""
    assert_equal(SupCon(temperature=temperature), pml.SupConLoss(temperature))


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_ntxent(temperature: float) -> None:
    assert_equal(NTXent(temperature=temperature), pml.NTXentLoss(temperature))


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_infonce(temperature: float) -> None:
    """With one positive of each anchor theirs is called NT-Xent; with several, NCA."""
    assert_equal(InfoNCE(temperature=temperature), pml.NTXentLoss(temperature), TWINS)
    nca = pml.NCALoss(softmax_scale=1 / temperature, distance=pml_distances.CosineSimilarity())
    assert_equal(InfoNCE(temperature=temperature), nca)


def test_neighborhood_components_analysis() -> None:
    assert_equal(InfoNCE(temperature=1.0, metric=SquaredEuclidean()), pml.NCALoss())


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_npair(temperature: float) -> None:
    """Theirs has no temperature: its distance is divided instead."""

    class Scaled(pml_distances.DotProductSimilarity):  # type: ignore[misc]
        def compute_mat(self, a: Tensor, b: Tensor) -> Tensor:
            return a @ b.T / temperature

    assert_equal(NPair(temperature=temperature), pml.NPairsLoss(distance=Scaled()))


@pytest.mark.parametrize("margin", [0.5, 1.0])
def test_lifted_structure(margin: float) -> None:
    assert_equal(LiftedStructure(margin=margin), pml.LiftedStructureLoss(neg_margin=margin, reducer=MEAN))


def test_generalized_lifted() -> None:
    """Theirs takes an anchor without positives for one whose positives lie at distance 0; ours leaves it out."""
    assert_equal(GeneralizedLifted(margin=0.7), pml.GeneralizedLiftedStructureLoss(neg_margin=0.7), EVEN, TWINS)


@pytest.mark.parametrize(("alpha", "beta", "base"), [(2.0, 50.0, 0.5), (10.0, 40.0, 0.3)])
def test_multi_similarity(alpha: float, beta: float, base: float) -> None:
    """Theirs has the base as a cosine, ours as a distance."""
    assert_equal(
        MultiSimilarity(alpha=alpha, beta=beta, base=base), pml.MultiSimilarityLoss(alpha, beta, base=1 - base)
    )
    euclidean = pml.MultiSimilarityLoss(alpha, beta, base=base, distance=pml_distances.LpDistance())
    assert_equal(MultiSimilarity(alpha=alpha, beta=beta, base=base, metric=Euclidean()), euclidean)


@pytest.mark.parametrize(("m", "gamma"), [(0.4, 80.0), (0.25, 16.0)])
def test_circle(m: float, gamma: float) -> None:
    assert_equal(Circle(m=m, gamma=gamma), pml.CircleLoss(m, gamma))


@pytest.mark.parametrize("beta", [0.9, 1.2])
def test_margin(beta: float) -> None:
    """Over all pairs: what is drawn by distance is drawn by chance, and tested with the minings."""
    assert_equal(MarginLoss(margin=0.3, beta=beta, mining=AllPairs()), pml.MarginLoss(0.3, beta=beta))


def test_margin_with_learned_boundaries() -> None:
    ours = MarginLoss(classes=7, nu=0.1, mining=AllPairs()).double()
    theirs = pml.MarginLoss(nu=0.1, learn_beta=True, num_classes=7).double()
    boundaries = torch.linspace(0.9, 1.4, 7, dtype=torch.float64)
    ours.beta.data, theirs.beta.data = boundaries.clone(), boundaries.clone()
    assert_equal(ours, theirs)
    for labels in (EVEN, UNEVEN):
        gradients = []
        for loss in (ours, theirs):
            loss.zero_grad()
            loss(embeddings(labels), labels).backward()
            gradients.append(loss.beta.grad.clone())
        torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("bins", [4, 10])
def test_fast_ap(bins: int) -> None:
    assert_equal(FastAP(bins=bins), pml.FastAPLoss(bins))


def test_bins_of_fast_ap_end_where_the_distance_does() -> None:
    """The cosine distance is half of the squared Euclidean one, and its bins half as wide."""
    ends = {name: kind.max_distance for name, kind in METRICS.items() if kind.max_distance < math.inf}
    assert len(ends) == 10
    far = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    for name, end in ends.items():
        histograms, vectors = far
        x = histograms if METRICS[name].domain == "histograms" else vectors
        assert float(METRICS[name]().pairwise(x[:1], x[1:])[0, 0]) == pytest.approx(end)
    x = embeddings(EVEN)
    torch.testing.assert_close(FastAP(metric=Cosine())(x, EVEN), FastAP()(x, EVEN))
    with pytest.raises(UsageError, match="or pass most"):
        FastAP(metric=Bhattacharyya())
    assert FastAP(metric=Bhattacharyya(), most=3.0).most == 3.0


@pytest.mark.parametrize("temperature", [0.01, 0.2])
def test_smooth_ap(temperature: float) -> None:
    """Theirs ranks a picture among the answers to itself, and takes as many classes as each has pictures, side by side.

    (It takes the number of pictures of a class for the number of classes.)
    """

    def with_itself(x: Tensor, labels: Tensor) -> Tensor:
        loss: Tensor = SmoothAP(temperature=temperature)(x, labels, References(x, labels))
        return loss

    def theirs(x: Tensor, labels: Tensor) -> Tensor:
        torch.set_default_dtype(torch.float64)  # in which theirs collects the precisions
        try:
            return pml.SmoothAPLoss(temperature)(x, labels)
        finally:
            torch.set_default_dtype(torch.float32)

    labels = torch.arange(5).repeat_interleave(5)
    assert_equal(with_itself, theirs, labels, torch.arange(3).repeat_interleave(3))
    left_out, _ = derived(SmoothAP(temperature=temperature), embeddings(labels), labels)
    assert left_out > derived(with_itself, embeddings(labels), labels)[0]
