"""What every loss must do. A loss, margin or mining is tested here the moment `losses.__all__` names it."""

import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from semelha.deep import losses
from semelha.errors import UsageError
from semelha.metrics import Matusita

CLASSES, DIM, BATCH = 5, 6, 24
PUBLIC = [getattr(losses, name) for name in losses.__all__]
Make = Callable[[], nn.Module]


def variants(loss: type[nn.Module]) -> Iterator[dict[str, Any]]:
    """Arguments for `loss`: sizes, and every public kind of the parts (margin, mining) that it is made of."""
    given: dict[str, list[Any]] = {}
    hints = get_type_hints(loss.__init__)
    for name, parameter in inspect.signature(loss).parameters.items():
        parts = {hints[name], *get_args(hints[name])}
        kinds = [k for k in PUBLIC if not inspect.isabstract(k) and parts & set(k.__mro__[1:-1])]
        if kinds:
            given[name] = [kind() for kind in kinds]
        elif parameter.default is inspect.Parameter.empty:
            given[name] = [{"classes": CLASSES, "dim": DIM}[name]]
    for values in itertools.product(*given.values()):
        yield dict(zip(given, values, strict=True))


def every_loss() -> Iterator[Any]:
    for loss in PUBLIC:
        if issubclass(loss, nn.Module) and loss is not losses.Together:  # which is what it is made of
            for arguments in variants(loss):
                parts = [repr(v) for v in arguments.values() if not isinstance(v, int)]
                yield pytest.param(
                    lambda loss=loss, arguments=arguments: loss(**arguments),
                    id="-".join([loss.__name__, *parts]),
                )


EVERY = list(every_loss())
each_loss = pytest.mark.parametrize("make", EVERY)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def batch(dtype: torch.dtype = torch.float64, size: int = BATCH) -> tuple[Tensor, Tensor]:
    labels = torch.arange(size) % CLASSES
    return torch.randn(size, DIM, dtype=dtype), labels


def value_and_gradient(
    loss: nn.Module, embeddings: Tensor, labels: Tensor, *, autocast: bool = False
) -> tuple[Tensor, Tensor]:
    embeddings = embeddings.detach().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        value = loss(embeddings, labels)
    (gradient,) = torch.autograd.grad(value, embeddings)
    return value.detach(), gradient


def test_all_kinds_are_found() -> None:
    """The search above finds losses and their parts, rather than an empty list."""
    found = {param.id for param in EVERY}
    assert {"CrossEntropy", "SupCon", "Triplet-Hard()", "MarginSoftmax-ArcFace(m=0.5)"} <= found
    assert len(EVERY) >= 11


@each_loss
def test_value_is_a_positive_number_with_a_gradient(make: Make) -> None:
    value, gradient = value_and_gradient(make().double(), *batch())
    assert value.shape == ()
    assert torch.isfinite(value)
    assert value > 0
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0


@each_loss
def test_gradient_is_the_derivative(make: Make) -> None:
    loss = make().double()
    embeddings, labels = batch(size=12)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), embeddings.requires_grad_())


@each_loss
def test_parameters_learn(make: Make) -> None:
    loss = make().double()
    embeddings, labels = batch()
    loss(embeddings.requires_grad_(), labels).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in loss.parameters())


@each_loss
def test_order_of_the_batch_is_no_matter(make: Make) -> None:
    loss = make().double()
    embeddings, labels = batch()
    order = torch.randperm(BATCH)
    value, gradient = value_and_gradient(loss, embeddings, labels)
    shuffled, its_gradient = value_and_gradient(loss, embeddings[order], labels[order])
    torch.testing.assert_close(shuffled, value)
    torch.testing.assert_close(its_gradient, gradient[order])


@each_loss
def test_numbers_of_the_classes_are_no_matter(make: Make) -> None:
    """Renaming the classes changes nothing, once what the loss knows of each class is renamed too."""
    loss = make().double()
    embeddings, labels = batch()
    value, gradient = value_and_gradient(loss, embeddings, labels)
    new = torch.randperm(CLASSES)
    for parameter in loss.parameters():
        parameter.data = parameter.data[new.argsort()]
    renamed, its_gradient = value_and_gradient(loss, embeddings, new[labels])
    torch.testing.assert_close(renamed, value)
    torch.testing.assert_close(its_gradient, gradient)


@each_loss
@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_comes_in_and_float32_goes_out(make: Make, autocast: bool) -> None:
    """The loss of bfloat16 embeddings is that of the same numbers in float32, to the precision of float32."""
    loss = make()
    half, labels = batch(torch.bfloat16)
    expected, gradient = value_and_gradient(loss, half.float(), labels)
    value, its_gradient = value_and_gradient(loss, half, labels, autocast=autocast)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(its_gradient, gradient.bfloat16())


@each_loss
def test_unknown_arguments_are_refused(make: Make) -> None:
    loss = type(make())
    arguments = next(variants(loss))
    with pytest.raises(TypeError, match="temperatur_"):
        loss(**arguments, temperatur_=0.1)


@each_loss
@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_collapsed_embeddings_give_finite_gradients(make: Make, fill: float) -> None:
    """All vectors zero, or all the same: the roots and quotients of the distances stay finite."""
    for dtype in (torch.float32, torch.float64):
        value, gradient = value_and_gradient(make().to(dtype), torch.full((BATCH, DIM), fill, dtype=dtype), batch()[1])
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() < 1e3


@each_loss
@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_length_of_the_vectors_overflows_nothing(make: Make, scale: float) -> None:
    embeddings, labels = batch(torch.float32)
    value, gradient = value_and_gradient(make(), scale * embeddings, labels)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@each_loss
def test_one_picture_alone_has_nothing_to_be_compared_with(make: Make) -> None:
    """Losses of pairs give 0, with a gradient of 0; those that know the classes are defined all the same."""
    loss = make().double()
    value, gradient = value_and_gradient(loss, *batch(size=1))
    if any(True for _ in loss.parameters()):
        assert value > 0
    else:
        assert value == 0
        assert (gradient == 0).all()


@each_loss
def test_one_class_alone_is_finite(make: Make) -> None:
    embeddings, labels = batch()
    value, gradient = value_and_gradient(make().double(), embeddings, torch.zeros_like(labels))
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@each_loss
def test_a_small_step_downhill_lowers_it(make: Make) -> None:
    loss = make().double()
    embeddings, labels = batch()
    value, gradient = value_and_gradient(loss, embeddings, labels)
    assert loss(embeddings - 1e-4 * gradient, labels) < value


class Largest(TorchDispatchMode):
    """Remembers how many numbers the largest tensor has that any operation makes."""

    numbers = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return out


@each_loss
def test_memory_grows_with_the_square_of_the_batch(make: Make) -> None:
    """No tensor, on the way there or back, is larger than batch × batch, nor do many of that size pile up."""
    size, kept = 256, 0

    def keep(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.numel()
        return tensor

    embeddings, labels = batch(torch.float32, size)
    loss = make()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), Largest() as largest:
        value_and_gradient(loss, embeddings, labels)
    assert largest.numbers <= size**2
    assert kept <= 30 * size**2


@pytest.mark.parametrize("loss", [losses.Triplet, losses.Contrastive])
def test_a_metric_of_histograms_is_an_error(loss: Callable[..., nn.Module]) -> None:
    """Points of the sphere are none."""
    embeddings, labels = batch()
    with pytest.raises(UsageError, match="takes histograms"):
        loss(metric=Matusita())(embeddings, labels)
