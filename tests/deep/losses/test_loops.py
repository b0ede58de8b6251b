"""What no library has, and what batches of a library's kind do not show: value and gradient of a plain loop in float64.

Few pictures, uneven classes, and every sum written out.
"""

from collections.abc import Callable, Iterator
from itertools import product

import pytest
import torch
from tests.deep.losses.oracles import EVEN, TWINS, UNEVEN, assert_equal, derived, embeddings
from torch import Tensor
from torch.nn.functional import normalize, relu

from semelha.deep.losses import (
    AllPairs,
    BatchHard,
    FastAP,
    GeneralizedLifted,
    Hard,
    LiftedStructure,
    Mining,
    NTXent,
    PairLoss,
    Pairs,
    Quadruplet,
    SemiHard,
    SmoothAP,
    SupCon,
    Triplet,
)
from semelha.deep.losses.triplet import count_quadruplets
from semelha.metrics import Euclidean

FEW = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 3])


def triplets(labels: Tensor) -> Iterator[tuple[int, int, int]]:
    for a, p, n in product(range(len(labels)), repeat=3):
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
            yield a, p, n


def quadruplets(labels: Tensor) -> Iterator[tuple[int, int, int, int]]:
    for i, j, k, m in product(range(len(labels)), repeat=4):
        if i != j and labels[i] == labels[j] and len({int(labels[i]), int(labels[k]), int(labels[m])}) == 3:
            yield i, j, k, m


def euclidean(x: Tensor) -> Tensor:
    z = normalize(x)
    return torch.stack([torch.stack([(a - b).norm() for b in z]) for a in z])


def mean_of_hinges(values: list[Tensor]) -> Tensor:
    active = [value for value in values if value > 0]
    return torch.stack(active).mean()


@pytest.mark.parametrize(("margin", "other"), [(0.2, 0.1), (1.0, 0.7)])
def test_quadruplet(margin: float, other: float) -> None:
    def loop(x: Tensor, labels: Tensor) -> Tensor:
        d = euclidean(x)
        three = mean_of_hinges([d[a, p] - d[a, n] + margin for a, p, n in triplets(labels)])
        four = mean_of_hinges([d[i, j] - d[k, m] + other for i, j, k, m in quadruplets(labels)])
        return three + four

    assert_equal(Quadruplet(margin=margin, other_margin=other), loop, FEW, torch.tensor([5, 5, 9, 9, 7, 7]))


def test_quadruplets_counted_are_those_of_a_loop_when_distances_are_equal() -> None:
    pairs = tied(FEW)
    expected = torch.zeros(9, 9, dtype=torch.float64)
    for i, j, k, m in quadruplets(FEW):
        if pairs.distance[i, j] > pairs.distance[k, m] - 0.25:
            expected[i, j] += 1
            expected[k, m] -= 1
    assert torch.equal(count_quadruplets(0.25, pairs), expected)


def tied(labels: Tensor) -> Pairs:
    """Distances that are multiples of a quarter: ties, which copies of a picture make."""
    size = len(labels)
    steps = torch.randint(0, 4, (size, size), generator=torch.Generator().manual_seed(3)).double()
    distance = (steps + steps.T) / 4
    distance.fill_diagonal_(0)
    same = labels[:, None] == labels
    return Pairs(distance, same & ~torch.eye(size, dtype=torch.bool), ~same, labels, labels, dim=2, metric=Euclidean())


@pytest.mark.parametrize("mining", [AllPairs, SemiHard, Hard, BatchHard])
def test_triplets_counted_are_those_of_a_loop_when_distances_are_equal(mining: type[Mining]) -> None:
    """A negative as near as the positive is hard, not semi-hard."""
    pairs, margin = tied(FEW), 0.5
    distance = pairs.distance
    expected = torch.zeros(9, 9, dtype=torch.float64)
    for a, p, n in triplets(FEW):
        ahead = float(distance[a, n] - distance[a, p])
        chosen = {
            AllPairs: True,
            SemiHard: ahead > 0,
            Hard: ahead <= 0,
            BatchHard: p == torch.where(pairs.positive[a], distance[a], -1).argmax()
            and n == torch.where(pairs.negative[a], distance[a], 9).argmin(),
        }[mining]
        if ahead < margin and chosen:
            expected[a, p] += 1
            expected[a, n] -= 1
    assert torch.equal(mining().triplets(pairs, margin), expected)


def test_supcon() -> None:
    """The formula of the paper, in a batch of one class too, for which pytorch-metric-learning gives 0."""

    def loop(x: Tensor, labels: Tensor) -> Tensor:
        z = normalize(x)
        total, anchors = torch.zeros((), dtype=x.dtype), 0
        for i in range(len(x)):
            others = [j for j in range(len(x)) if j != i]
            positives = [j for j in others if labels[j] == labels[i]]
            if positives:
                against = sum(torch.exp(z[i] @ z[a] / 0.1) for a in others)
                shares = [torch.log(torch.exp(z[i] @ z[p] / 0.1) / against) for p in positives]
                total = total - sum(shares) / len(positives)
                anchors += 1
        return total / anchors

    assert_equal(lambda x, _: SupCon()(x, torch.zeros(len(x))), lambda x, _: loop(x, torch.zeros(len(x))))
    assert_equal(SupCon(), loop)


def test_generalized_lifted_leaves_out_anchors_without_positives() -> None:
    def loop(x: Tensor, labels: Tensor) -> Tensor:
        d, found = euclidean(x), []
        for a in range(len(x)):
            positives = [d[a, p] for p in range(len(x)) if p != a and labels[p] == labels[a]]
            negatives = [1 - d[a, n] for n in range(len(x)) if labels[n] != labels[a]]
            if positives and negatives:
                found.append(relu(torch.stack(positives).logsumexp(0) + torch.stack(negatives).logsumexp(0)))
        return torch.stack(found).mean()

    assert_equal(GeneralizedLifted(), loop, FEW, UNEVEN)


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_smooth_ap(temperature: float) -> None:
    """Classes of any size, in any order, and a picture not among the answers to itself."""

    def loop(x: Tensor, labels: Tensor) -> Tensor:
        z, found = normalize(x), []
        for a in range(len(x)):
            others = [j for j in range(len(x)) if j != a]
            positives = [j for j in others if labels[j] == labels[a]]
            precisions = []
            for p in positives:
                steps = {j: torch.sigmoid((z[a] @ z[j] - z[a] @ z[p]) / temperature) for j in others if j != p}
                among = 1 + sum(step for j, step in steps.items() if j in positives)
                precisions.append(among / (1 + sum(steps.values())))
            if positives:
                found.append(1 - torch.stack(precisions).mean())
        return torch.stack(found).mean()

    assert_equal(SmoothAP(temperature=temperature), loop, FEW, UNEVEN[torch.randperm(len(UNEVEN))])


def test_sharp_smooth_ap_is_average_precision() -> None:
    """With narrow steps it is 1 − the average precision of the ranking."""
    x, labels = embeddings(EVEN), EVEN
    d, precisions = euclidean(x), []
    for a in range(len(x)):
        order = [int(j) for j in d[a].argsort() if j != a]
        hits = [float(labels[j] == labels[a]) for j in order]
        ranks = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]
        precisions.append(sum(ranks) / len(ranks))
    expected = torch.tensor(1 - sum(precisions) / len(precisions), dtype=torch.float64)
    torch.testing.assert_close(derived(SmoothAP(temperature=1e-6), x, labels)[0], expected, rtol=0, atol=1e-4)


def test_without_positives_losses_of_pairs_are_zero() -> None:
    """Every picture of another class: 0 and a gradient of 0, not NaN."""
    kinds: list[Callable[[], PairLoss]] = [SupCon, NTXent, LiftedStructure, Quadruplet, SmoothAP, FastAP]
    losses = [kind() for kind in kinds] + [Triplet(margin=None)]
    for loss in losses + [Triplet(mining=kind()) for kind in (AllPairs, SemiHard, Hard, BatchHard)]:
        value, gradient = derived(loss, embeddings(TWINS), torch.arange(len(TWINS)))
        assert value == 0
        assert (gradient == 0).all()
