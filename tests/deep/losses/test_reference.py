"""Value and gradient are those of pytorch-metric-learning (which forms pairs and triplets) or of a plain loop.

Where its definition differs from ours, the difference stands in the test.
"""

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
import torch
from pytorch_metric_learning import distances as pml_distances
from pytorch_metric_learning import losses as pml
from pytorch_metric_learning import miners, reducers
from torch import Tensor, nn

from semelha.deep.losses import (
    All,
    ArcFace,
    BatchHard,
    Contrastive,
    CosFace,
    CrossEntropy,
    Hard,
    Margin,
    MarginSoftmax,
    Mining,
    NoMargin,
    NTXent,
    SemiHard,
    SupCon,
    Triplet,
)
from semelha.metrics import Cosine

CLASSES, DIM = 7, 5
Loss = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    """Even classes, uneven ones with classes of one picture, and pairs; embeddings of any length."""
    for labels in (
        torch.arange(28) % CLASSES,
        torch.tensor([0] * 9 + [1] * 3 + [2, 3, 4, 4]),
        torch.arange(CLASSES).repeat(2),
    ):
        yield torch.randn(len(labels), DIM, dtype=torch.float64) * 3, labels


def assert_equal(ours: Loss, theirs: Loss) -> None:
    for embeddings, labels in batches():
        results = []
        for loss in (ours, theirs):
            x = embeddings.clone().requires_grad_()
            value = loss(x, labels)
            results.append((value, *torch.autograd.grad(value, x)))
        (value, gradient), (expected, expected_gradient) = results
        assert value > 0
        torch.testing.assert_close(value, expected, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-8, atol=1e-8)


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
    All: lambda m, d: miners.TripletMarginMiner(m, "all", distance=d),
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
def test_triplets_counted_are_those_of_a_loop_when_distances_are_equal(mining: type[Mining]) -> None:
    """Ties, which copies of a picture make: a negative as near as the positive is hard, not semi-hard."""
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 2])
    steps = torch.randint(0, 4, (7, 7)).double()
    distance = (steps + steps.T) / 4
    distance.fill_diagonal_(0)
    margin, same = 0.5, labels[:, None] == labels
    positive, negative = same & ~torch.eye(7, dtype=torch.bool), ~same
    expected = torch.zeros(7, 7, dtype=torch.int64)
    for a, p, n in product(range(7), repeat=3):
        ahead = float(distance[a, n] - distance[a, p])
        chosen = {
            All: True,
            SemiHard: ahead > 0,
            Hard: ahead <= 0,
            BatchHard: p == torch.where(positive[a], distance[a], -1).argmax()
            and n == torch.where(negative[a], distance[a], 9).argmin(),
        }[mining]
        if positive[a, p] and negative[a, n] and ahead < margin and chosen:
            expected[a, p] += 1
            expected[a, n] -= 1
    assert torch.equal(mining().weights(distance, positive, negative, margin), expected)


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_supcon(temperature: float) -> None:
    """Theirs gives 0 where a batch is of one class; ours has the formula of the paper there too (next test)."""
    assert_equal(SupCon(temperature=temperature), pml.SupConLoss(temperature))


def test_supcon_of_one_class_is_the_formula_of_the_paper() -> None:
    def loop(x: Tensor, labels: Tensor) -> Tensor:
        z = nn.functional.normalize(x)
        total, anchors = torch.zeros((), dtype=x.dtype), 0
        for i in range(len(x)):
            others = [j for j in range(len(x)) if j != i]
            positives = [j for j in others if labels[j] == labels[i]]
            if positives:
                against = sum(torch.exp(z[i] @ z[a] / 0.1) for a in others)
                total = total - sum(torch.log(torch.exp(z[i] @ z[p] / 0.1) / against) for p in positives) / len(
                    positives
                )
                anchors += 1
        return total / anchors

    assert_equal(lambda x, _: SupCon()(x, torch.zeros(len(x))), lambda x, _: loop(x, torch.zeros(len(x))))
    assert_equal(SupCon(), loop)


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_ntxent(temperature: float) -> None:
    assert_equal(NTXent(temperature=temperature), pml.NTXentLoss(temperature))


@pytest.mark.parametrize(
    ("margin", "theirs"),
    [
        (NoMargin(), lambda: pml.NormalizedSoftmaxLoss(CLASSES, DIM, temperature=1 / 20)),
        (CosFace(0.3), lambda: pml.CosFaceLoss(CLASSES, DIM, margin=0.3, scale=20)),
        (ArcFace(0.5), lambda: pml.ArcFaceLoss(CLASSES, DIM, margin=math.degrees(0.5), scale=20)),
        (ArcFace(1.5), lambda: pml.ArcFaceLoss(CLASSES, DIM, margin=math.degrees(1.5), scale=20)),
    ],
    ids=str,
)
def test_margin_softmax(margin: Margin, theirs: Callable[[], Any]) -> None:
    """For the proxies too. Margin 1.5 puts many angles beyond π − m, where ArcFace is continued by a line."""
    ours, other = MarginSoftmax(CLASSES, DIM, margin=margin, scale=20).double(), theirs().double()
    other.reducer = reducers.MeanReducer()
    other.W.data = ours.proxies.data.T.clone()
    assert_equal(ours, other)
    for loss in (ours, other):
        torch.manual_seed(1)
        loss(*next(batches())).backward()
    torch.testing.assert_close(ours.proxies.grad, other.W.grad.T, rtol=1e-8, atol=1e-8)


def test_cross_entropy() -> None:
    ours = CrossEntropy(CLASSES, DIM).double()
    assert_equal(
        ours,
        lambda x, labels: (
            -torch.stack(
                [
                    (ours.classifier.weight @ row + ours.classifier.bias).log_softmax(0)[label]
                    for row, label in zip(x, labels, strict=True)
                ]
            ).mean()
        ),
    )


@pytest.mark.parametrize("angle", [0.0, 1e-7, 1e-4, math.pi - 1e-4, math.pi])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_arcface_has_a_finite_gradient_where_the_arc_cosine_has_none(angle: float, dtype: torch.dtype) -> None:
    """An embedding on its proxy, or opposite it."""
    loss = MarginSoftmax(2, 2, margin=ArcFace()).to(dtype)
    loss.proxies.data = torch.eye(2, dtype=dtype)
    x = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=dtype, requires_grad=True)
    loss(x, torch.tensor([0])).backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(loss.proxies.grad).all()
    assert x.grad.abs().max() < 100


def test_without_positives_the_triplet_and_softmax_losses_are_zero() -> None:
    """Every picture of another class: 0 and a gradient of 0, not NaN."""
    for loss in (SupCon(), NTXent(), *(Triplet(mining=kind()) for kind in MINERS)):
        x = torch.randn(8, DIM, requires_grad=True)
        value = loss(x, torch.arange(8))
        value.backward()
        assert value == 0
        assert (x.grad == 0).all()
