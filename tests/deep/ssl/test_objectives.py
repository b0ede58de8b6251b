"""What holds of every method without labels, and the sides of MoCo on which there is a gradient."""

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from semelha.deep import EmbeddingNet, Network, build
from semelha.deep.gradcache import GradCache
from semelha.deep.network import BeforeNormalization
from semelha.deep.objective import Objective, StepContext
from semelha.deep.ssl import METHODS, MoCo, MoCoV3, SelfSupervised, SimCLR
from semelha.deep.ssl.moco import moco_v3_loss
from semelha.errors import UsageError
from semelha.training import WITHOUT_LABELS

BATCH, DIM = 12, 8


def made(method: SelfSupervised) -> tuple[EmbeddingNet, Objective]:
    network = build(Network(size=16, dim=DIM), seed=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return network, method.objective(network, dim=DIM, batch=BATCH, instances=5 * BATCH)


def views() -> Tensor:
    return 255 * torch.rand(2 * BATCH, 1, 16, 16, generator=torch.Generator().manual_seed(1))


def step(network: EmbeddingNet, objective: Objective, chunk: int = 2 * BATCH) -> float:
    for module in (network, objective):
        module.zero_grad()
    context = StepContext(objective.training_module(network), GradCache(chunk), torch.Tensor.backward, nullcontext)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        value, _ = objective.backward(context, views(), torch.arange(BATCH))
    return float(value)


def test_the_names_are_known_without_torch() -> None:
    assert tuple(METHODS) == WITHOUT_LABELS
    assert [method.name for method in METHODS.values()] == list(METHODS)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_everything_that_is_trained_has_a_gradient(method: SelfSupervised) -> None:
    """But the last steps of a network and a projector that do not change a direction."""
    network, objective = made(method)
    assert step(network, objective) > 0
    for module in (network, objective):
        for name, parameter in module.named_parameters():
            assert (parameter.grad is not None) == parameter.requires_grad, name


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_its_state_is_all_that_it_is(method: SelfSupervised) -> None:
    """Two steps, or one, a checkpoint and another one, are the same."""
    network, objective = made(method)
    step(network, objective)
    objective.after_step(network, 0.5)
    other_network, other = made(method)
    other_network.load_state_dict(network.state_dict())
    other.load_state_dict(objective.state_dict())
    assert step(network, objective) == step(other_network, other)
    for ours, theirs in zip(objective.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("method", [SimCLR(), SimCLR(layers=3), MoCo(parts=1), MoCoV3()], ids=lambda m: m.name)
def test_chunks_have_the_gradient_of_the_whole(method: SelfSupervised) -> None:
    """On a network without batch norm, whose statistics are those of the chunk; that of a projector sees them all."""

    def of(chunk: int) -> list[Tensor]:
        network, objective = made(method)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()
        step(network, objective, chunk)
        return [p.grad for m in (network, objective) for p in m.parameters() if p.grad is not None]

    for whole, chunked in zip(of(2 * BATCH), of(5), strict=True):
        torch.testing.assert_close(whole, chunked, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", [METHODS["moco-v1"], MoCo(), MoCoV3()], ids=lambda m: m.name)
def test_the_key_network_follows_and_learns_nothing(method: SelfSupervised) -> None:
    network, objective = made(method)
    step(network, objective)
    keys: nn.Module = objective.keys  # type: ignore[assignment]
    assert all(parameter.grad is None for parameter in keys.parameters())
    before = [p.clone() for p in keys.parameters()]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    objective.after_step(network, 0.0)
    after = dict(zip([name for name, _ in keys.named_parameters()], keys.parameters(), strict=True))
    moved = [torch.allclose(new, old + 0.01, atol=1e-5) for old, new in zip(before, after.values(), strict=True)]
    of_network = [".network." in name for name in after]
    assert moved == of_network  # the projector stood still, and so does its copy


def test_moco_v1_has_one_layer_and_a_queue_of_several_batches() -> None:
    _, objective = made(METHODS["moco-v1"])
    assert [type(layer) for layer in objective.projector] == [nn.Linear]  # type: ignore[union-attr]
    assert len(objective.queue.stored) == 24  # type: ignore[union-attr]


def test_the_queue_takes_the_keys_of_a_step() -> None:
    network, objective = made(MoCo())
    before = objective.queue.keys()  # type: ignore[union-attr, operator]
    step(network, objective)
    after = objective.queue.keys()  # type: ignore[union-attr, operator]
    assert (before[:BATCH] != after[:BATCH]).any(dim=1).all()
    assert torch.equal(before[BATCH:], after[BATCH:])
    torch.testing.assert_close(after.norm(dim=1), torch.ones(24))


def test_moco_v3_predicts_keys_from_queries_of_both_views() -> None:
    """The predictor stands on the side of the queries alone; the loss is the sum of both directions."""
    network, objective = made(MoCoV3(temperature=0.3))
    value = step(network, objective)
    first, second = views().chunk(2)
    projector, predictor, keys = objective.projector, objective.predictor, objective.keys  # type: ignore[union-attr]
    q = [predictor(projector(BeforeNormalization(network)(view))) for view in (first, second)]
    k = [keys(view) for view in (first, second)]
    assert not any(part is predictor for part in keys.modules())
    assert len(list(keys.copy.after.parameters())) == len(list(projector.parameters()))
    expected = moco_v3_loss(q[0], k[1], 0.3) + moco_v3_loss(q[1], k[0], 0.3)
    assert value == pytest.approx(expected.item(), rel=1e-4)


def test_simclr_v2_keeps_the_first_layer_of_its_projector() -> None:
    """Three linear layers of which the head of the network is one; v1 has two on top of it."""
    for method, layers in ((SimCLR(), 2), (SimCLR(layers=3), 2)):
        network, objective = made(method)
        linear = [m for m in objective.modules() if isinstance(m, nn.Linear)]
        assert len(linear) == layers
        assert linear[0].in_features == DIM == network.head[1].out_features
    first = next(iter(made(SimCLR(layers=3))[1].projector))  # type: ignore[union-attr, arg-type]
    assert isinstance(first, nn.BatchNorm1d)


@pytest.mark.parametrize(
    ("queue", "batch", "instances", "chosen"),
    [(None, 256, 12_800, 4096), (None, 256, 3000, 1280), (None, 100, 250, 100), (512, 256, 1000, 512)],
)
def test_a_queue_is_a_multiple_of_the_batch_below_the_data_set(
    queue: int | None, batch: int, instances: int, chosen: int
) -> None:
    assert MoCo(queue=queue).resolve(batch=batch, instances=instances).queue == chosen


@pytest.mark.parametrize(
    ("queue", "batch", "instances", "said"),
    [
        (300, 256, 10_000, "must be a multiple of the batch, 9728 at most"),
        (768, 256, 1000, "multiple of the batch, 512 at most"),
        (128, 256, 1000, "multiple of the batch"),
        (None, 32, 48, "make the batch 24 or smaller"),
    ],
)
def test_other_queues_are_refused(queue: int | None, batch: int, instances: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        MoCo(queue=queue).resolve(batch=batch, instances=instances)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: SimCLR(temperature=0),
        lambda: SimCLR(layers=4),  # type: ignore[arg-type]
        lambda: MoCo(momentum=1),
        lambda: MoCo(parts=0),
        lambda: MoCo(temperature=-1),
        lambda: MoCoV3(momentum=-0.1),
        lambda: MoCoV3(temperature=0),
    ],
)
def test_settings_that_cannot_be_right_are_refused(wrong: object) -> None:
    with pytest.raises(UsageError):
        wrong()  # type: ignore[operator]
