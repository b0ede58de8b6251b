"""A batch in chunks has the gradient of the whole batch, exactly, in the memory of a chunk."""

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from semelha.deep.gradcache import GradCache
from semelha.deep.losses import CrossBatchMemory, MarginSoftmax, NoMargin, SupCon, Triplet, WeightedSum
from semelha.errors import UsageError

BATCH, CLASSES, DIM = 22, 5, 6
LABELS = torch.arange(BATCH) % CLASSES


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def pixels() -> Tensor:
    return torch.randn(BATCH, 1, 8, 8, dtype=torch.float64)


def network(*extra: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), *extra, nn.Flatten(), nn.Linear(144, DIM)).double()


def proxies() -> nn.Module:
    return WeightedSum(SupCon(), MarginSoftmax(CLASSES, DIM, margin=NoMargin())).double()


LOSSES: list[Callable[[], nn.Module]] = [
    SupCon,
    Triplet,
    proxies,
    lambda: CrossBatchMemory(SupCon(), DIM, size=30).double(),
]


def gradients(*modules: nn.Module) -> list[Tensor]:
    found = [parameter.grad for module in modules for parameter in module.parameters()]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in found)
    return [gradient.clone() for gradient in found if gradient is not None]


@pytest.mark.parametrize("make", LOSSES)
@pytest.mark.parametrize("chunk", [3, 7, 8, 22, 100])
def test_value_embeddings_and_every_gradient_are_those_of_the_whole_batch(
    make: Callable[[], nn.Module], chunk: int
) -> None:
    """Of the network and of the loss, in float64, for a network without statistics of the batch."""
    net, loss, x = network(nn.GroupNorm(2, 4)), make(), pixels()
    whole, its_loss = copy.deepcopy(net), copy.deepcopy(loss)
    embeddings = whole(x)
    value = its_loss(embeddings, LABELS)
    value.backward()
    found, made = GradCache(chunk).backward(net, x, LABELS, loss, Tensor.backward)
    assert not found.requires_grad
    assert not made.requires_grad
    torch.testing.assert_close(found, value.detach(), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(made, embeddings.detach(), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(gradients(net, loss), gradients(whole, its_loss), rtol=1e-10, atol=1e-13)


def test_what_is_dropped_is_dropped_in_both_passes() -> None:
    """The gradient is the derivative of the value: a step along it lowers the loss with the same draws."""
    net, x = network(nn.Dropout(0.5)), pixels()

    def backward() -> Tensor:
        torch.manual_seed(3)
        return GradCache(6).backward(net, x, LABELS, SupCon(), Tensor.backward)[0]

    value = backward()
    squares = sum(float(gradient.square().sum()) for gradient in gradients(net))
    step = 1e-6
    with torch.no_grad():
        for parameter, gradient in zip(net.parameters(), gradients(net), strict=True):
            parameter -= step * gradient
    assert (value - backward()).item() / step == pytest.approx(squares, rel=1e-3)


def test_batch_norm_sees_the_chunk_and_its_averages_move_once_for_each() -> None:
    """As a batch norm of sub-batches does that are one computation, loss and all."""
    net, x = network(nn.BatchNorm2d(4)), pixels()
    split = copy.deepcopy(net)
    embeddings = torch.cat([split(part) for part in x.tensor_split(3)])
    SupCon()(embeddings, LABELS).backward()
    GradCache(8).backward(net, x, LABELS, SupCon(), Tensor.backward)
    torch.testing.assert_close(gradients(net), gradients(split), rtol=1e-10, atol=1e-13)
    for (name, buffer), expected in zip(net.named_buffers(), split.buffers(), strict=True):
        torch.testing.assert_close(buffer, expected, msg=name)
    assert net[2].num_batches_tracked == 3


def test_no_pass_sees_more_than_a_chunk_and_none_a_single_picture() -> None:
    """Of every batch and chunk, and the graph of one chunk is gone before that of the next is made."""
    seen: list[int] = []

    class Seeing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return x.flatten(1)[:, :DIM] * 1.0

    for batch in range(4, 40):
        for chunk in range(3, 12):
            seen.clear()
            x = torch.randn(batch, 1, 3, 3, requires_grad=True)
            GradCache(chunk).backward(Seeing(), x, torch.arange(batch) % 2, SupCon(), Tensor.backward)
            assert sum(seen) == batch * (1 if batch <= chunk else 2)
            assert max(seen) <= chunk
            assert min(seen) >= 2


def test_the_graph_of_one_chunk_alone_is_kept() -> None:
    """What a pass keeps for its gradient is in memory for one chunk at a time."""
    kept = most = 0

    class Held:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal kept, most
            self.tensor = tensor
            kept += tensor.numel()
            most = max(most, kept)

        def __del__(self) -> None:
            nonlocal kept
            kept -= self.tensor.numel()

    net, peaks = network(), {}
    for chunk in (BATCH, 4):
        kept = most = 0
        with torch.autograd.graph.saved_tensors_hooks(Held, lambda held: held.tensor):
            GradCache(chunk).backward(net, pixels(), LABELS, SupCon(), Tensor.backward)
        peaks[chunk] = most
    assert peaks[4] < peaks[BATCH] / 3


def test_a_chunk_of_two_is_refused() -> None:
    with pytest.raises(UsageError, match="a chunk is 2 pictures: it must be 3 or more"):
        GradCache(2)
