"""Cross-batch memory: as pytorch-metric-learning's, batch after batch, round and round."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pytorch_metric_learning import losses as pml
from pytorch_metric_learning import miners, reducers
from tests.deep.losses.oracles import DIM, embeddings
from torch import Tensor

from semelha.deep.losses import (
    AllPairs,
    Circle,
    Contrastive,
    CrossBatchMemory,
    EasyPositive,
    FastAP,
    GeneralizedLifted,
    InfoNCE,
    LiftedStructure,
    MarginLoss,
    MultiSimilarity,
    NPair,
    NTXent,
    PairLoss,
    Quadruplet,
    References,
    SmoothAP,
    SupCon,
    Triplet,
)
from semelha.errors import UsageError

BATCH = 12
MEAN = reducers.MeanReducer()


def stream(number: int) -> tuple[Tensor, Tensor]:
    return embeddings(torch.arange(BATCH), seed=number), (torch.arange(BATCH) + number) % 4


LOSSES: list[tuple[Callable[[], PairLoss], Any]] = [
    (Contrastive, pml.ContrastiveLoss()),
    (lambda: Triplet(mining=AllPairs()), pml.TripletMarginLoss(0.2)),
    (lambda: Triplet(margin=None, mining=AllPairs()), pml.TripletMarginLoss(0, smooth_loss=True, reducer=MEAN)),
    (lambda: SupCon(temperature=0.1), pml.SupConLoss(0.1)),
    (lambda: NTXent(temperature=0.07), pml.NTXentLoss(0.07)),
    (MultiSimilarity, pml.MultiSimilarityLoss()),
    (lambda: Circle(gamma=16.0), pml.CircleLoss(gamma=16)),
    (GeneralizedLifted, pml.GeneralizedLiftedStructureLoss()),
    (lambda: MarginLoss(beta=1.25, mining=AllPairs()), pml.MarginLoss(beta=1.25)),  # theirs keeps β in float32
]


@pytest.mark.parametrize(("make", "theirs"), LOSSES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("size", [BATCH, 30, 100])
def test_value_and_gradient_batch_after_batch(make: Callable[[], PairLoss], theirs: Any, size: int) -> None:
    """A memory of one batch, one whose end does not fall on that of a batch, and one that is never full."""
    ours = CrossBatchMemory(make(), DIM, size=size).double()
    other = pml.CrossBatchMemory(theirs, DIM, memory_size=size).double()
    for number in range(6):
        x, labels = stream(number)
        results = []
        for loss in (ours, other):
            leaf = x.clone().requires_grad_()
            value = loss(leaf, labels)
            results.append((value.detach(), torch.autograd.grad(value, leaf)[0]))
        (value, gradient), (expected, expected_gradient) = results
        assert value > 0
        torch.testing.assert_close(value, expected, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-8, atol=1e-8)


class Others(torch.nn.Module):
    """Their miner without the picture itself, which it would take for its own easiest positive."""

    def __init__(self, miner: Any) -> None:
        super().__init__()
        self.miner = miner

    def forward(self, x: Tensor, labels: Tensor, references: Tensor, reference_labels: Tensor) -> tuple[Tensor, ...]:
        found: list[list[Tensor]] = [[], [], [], []]
        for i in range(len(x)):
            others = (references != x[i]).any(dim=1).nonzero()[:, 0]
            mined = self.miner(x[i : i + 1], labels[i : i + 1], references[others], reference_labels[others])
            for place, part in enumerate(mined):
                found[place].append(others[part] if place % 2 else torch.full_like(part, i))
        return tuple(torch.cat(parts) for parts in found)


def test_what_is_mined_is_mined_in_the_memory() -> None:
    ours = CrossBatchMemory(Contrastive(mining=EasyPositive("hard")), DIM, size=40).double()
    miner = Others(miners.BatchEasyHardMiner("easy", "hard"))
    other = pml.CrossBatchMemory(pml.ContrastiveLoss(), DIM, memory_size=40, miner=miner).double()
    for number in range(6):
        x, labels = stream(number)
        torch.testing.assert_close(ours(x, labels), other(x, labels), rtol=1e-8, atol=1e-8)


EVERY: list[Callable[[], PairLoss]] = [make for make, _ in LOSSES]
EVERY += [Quadruplet, LiftedStructure, NPair, InfoNCE, FastAP, SmoothAP]


@pytest.mark.parametrize("make", EVERY, ids=lambda make: type(make()).__name__)
def test_a_memory_of_one_batch_has_the_loss_of_the_batch(make: Callable[[], PairLoss]) -> None:
    """And the gradient of the anchors alone: what is remembered has none."""
    x, labels = stream(0)
    anchors, others = x.clone().requires_grad_(), x.clone().requires_grad_()
    value = CrossBatchMemory(make(), DIM, size=BATCH).double()(anchors, labels)
    torch.testing.assert_close(value, make()(x, labels))
    make()(others, labels, References(x, labels, torch.arange(BATCH))).backward()
    value.backward()
    torch.testing.assert_close(anchors.grad, others.grad)


def test_every_loss_of_pairs_is_here() -> None:
    from semelha.deep import losses

    kinds = {getattr(losses, name) for name in losses.__all__}
    pairs = {kind for kind in kinds if isinstance(kind, type) and issubclass(kind, PairLoss)} - {PairLoss}
    assert {type(make()) for make in EVERY} == pairs


def test_a_batch_twice_in_memory_counts_twice_but_not_for_itself() -> None:
    """The embedding of the same picture a batch ago is a positive; its own of now is none."""
    x, labels = stream(0)
    loss = CrossBatchMemory(Contrastive(), DIM, size=2 * BATCH).double()
    loss(x, labels)
    twice = References(torch.cat([x, x]), torch.cat([labels, labels]), BATCH + torch.arange(BATCH))
    torch.testing.assert_close(loss(x, labels), Contrastive()(x, labels, twice))


def test_waits_before_it_remembers() -> None:
    loss = CrossBatchMemory(Contrastive(), DIM, size=40, warmup=2).double()
    for number in range(4):
        x, labels = stream(number)
        alone = Contrastive()(x, labels)
        assert torch.equal(loss(x, labels), alone) == (number < 2)


def test_the_memory_goes_on_where_it_was_saved() -> None:
    """All that is remembered, and where the next batch goes, is in the state of the module."""
    one = CrossBatchMemory(Contrastive(), DIM, size=30).double()
    for number in range(3):
        one(*stream(number))
    other = CrossBatchMemory(Contrastive(), DIM, size=30).double()
    other.load_state_dict(one.state_dict())
    for number in range(3, 6):
        assert torch.equal(one(*stream(number)), other(*stream(number)))


def test_two_backward_passes_may_wait_for_each_other() -> None:
    """What a batch was compared with is not overwritten by the next one before its gradient is asked for."""
    loss = CrossBatchMemory(Contrastive(), DIM, size=BATCH).double()
    leaves = [stream(number)[0].requires_grad_() for number in range(2)]
    values = [loss(leaf, stream(number)[1]) for number, leaf in enumerate(leaves)]
    sum(values).backward()
    assert all(leaf.grad is not None for leaf in leaves)


def test_a_batch_larger_than_the_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="size is 11: it must be at least the batch of 12"):
        CrossBatchMemory(Contrastive(), DIM, size=11)(*stream(0))
