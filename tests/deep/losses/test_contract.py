"""What every loss must do. A loss, margin or mining is tested here the moment `losses.__all__` names it."""

import inspect
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from semelha.deep import losses
from semelha.deep.losses.distances import current_metric
from semelha.deep.metric_layer import MetricLayer
from semelha.errors import UsageError
from semelha.metrics import METRICS, Cosine, Euclidean, Mahalanobis, Matusita, SquaredEuclidean

CLASSES, DIM, BATCH = 5, 6, 24
SIZES = {"classes": CLASSES, "dim": DIM}
PUBLIC = [kind for name in losses.__all__ if inspect.isclass(kind := getattr(losses, name))]
MADE_OF_OTHERS = {losses.WeightedSum, losses.CrossBatchMemory}  # which have tests of their own
MINED = {losses.Contrastive, losses.Triplet}  # which every mining is tried with
BY_CHANCE = {losses.DistanceWeighted}
IN_ORDER = {losses.NPair}  # takes the first pictures of a class for what it compares
HELD = {losses.Circle}  # its weights are constants in the gradient, which then is no derivative
OTHERWISE: dict[type[nn.Module], list[dict[str, Any]]] = {  # arguments that make another loss of it
    losses.Triplet: [{"margin": None, "mining": losses.AllPairs()}],
    losses.MarginLoss: [{"classes": CLASSES, "nu": 0.1, "mining": losses.AllPairs()}],
    losses.MarginSoftmax: [{"margin": losses.ArcFace(), "centers": 2, "margins": [0.1, 0.2, 0.3, 0.4, 0.5]}],
}
Make = Callable[[], nn.Module]


def variants(loss: type[nn.Module]) -> Iterator[dict[str, Any]]:
    """Arguments for `loss`: sizes, and every public kind of the parts (margin, mining) that it is made of."""
    given: dict[str, list[Any]] = {}
    hints = get_type_hints(loss.__init__)
    for name, parameter in inspect.signature(loss).parameters.items():
        parts = {hints[name], *get_args(hints[name])}
        kinds = [k for k in PUBLIC if not inspect.isabstract(k) and parts & set(k.__mro__[1:-1])]
        if kinds and (name != "mining" or loss in MINED):
            given[name] = [kind() for kind in kinds]
        elif parameter.default is inspect.Parameter.empty:
            given[name] = [SIZES[name]]
    for values in itertools.product(*given.values()):
        yield dict(zip(given, values, strict=True))
    yield from ({name: SIZES[name] for name in given if name in SIZES} | other for other in OTHERWISE.get(loss, []))


def every_loss() -> Iterator[Any]:
    for loss in PUBLIC:
        if issubclass(loss, nn.Module) and not inspect.isabstract(loss) and loss not in MADE_OF_OTHERS:
            for arguments in variants(loss):
                parts = [repr(value) for name, value in arguments.items() if name not in SIZES]
                yield pytest.param(
                    lambda loss=loss, arguments=arguments: loss(**arguments),
                    id="-".join([loss.__name__, *parts]),
                )


EVERY = list(every_loss())
each_loss = pytest.mark.parametrize("make", EVERY)
OF_PAIRS = [param for param in EVERY if isinstance(param.values[0](), losses.PairLoss)]


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
    """With the same draws every time, where there are any."""
    embeddings = embeddings.detach().requires_grad_()
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        value = loss(embeddings, labels)
    (gradient,) = torch.autograd.grad(value, embeddings)
    return value.detach(), gradient


def test_all_kinds_are_found() -> None:
    """The search above finds losses and their parts, rather than an empty list."""
    found = {param.id for param in EVERY}
    assert {"CrossEntropy", "SupCon", "Triplet-Hard()", "MarginSoftmax-ArcFace(m=0.5)", "SmoothAP"} <= found
    assert {param.id for param in OF_PAIRS} >= {"SupCon", "Contrastive-DistanceWeighted(cutoff=0.5, farthest=1.4)"}
    assert len(EVERY) >= 38


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
    if type(loss) in HELD:
        pytest.skip("the weights of this loss are held constant in its gradient, by its definition")
    embeddings, labels = batch(size=12)

    def drawn_alike(x: Tensor) -> Tensor:
        torch.manual_seed(1)
        value: Tensor = loss(x, labels)
        return value

    assert torch.autograd.gradcheck(drawn_alike, embeddings.requires_grad_())


@each_loss
def test_parameters_learn(make: Make) -> None:
    loss = make().double()
    embeddings, labels = batch()
    loss(embeddings.requires_grad_(), labels).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in loss.parameters())


@each_loss
def test_order_of_the_batch_is_no_matter(make: Make) -> None:
    loss = make().double()
    if type(getattr(loss, "mining", None)) in BY_CHANCE:
        pytest.skip("what is drawn by chance is drawn in the order of the batch")
    embeddings, labels = batch()
    order = torch.randperm(BATCH)
    if type(loss) in IN_ORDER:  # the first pictures of a class stay its first
        order = torch.randperm(CLASSES)[labels].argsort(stable=True)
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
    for of_classes in itertools.chain(loss.parameters(), loss.buffers()):
        of_classes.data = of_classes.data[new.argsort()]
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
def test_copies_of_a_picture_give_finite_gradients(make: Make) -> None:
    """Distance zero within a class and between classes, beside pictures that differ."""
    embeddings, labels = batch()
    embeddings[5:15] = embeddings[:1]
    value, gradient = value_and_gradient(make().double(), embeddings, labels)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


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
    if isinstance(loss, losses.PairLoss):
        assert value == 0
        assert (gradient == 0).all()
    else:
        assert value > 0


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
    assert value_and_gradient(loss, embeddings - 1e-4 * gradient, labels)[0] < value


class Largest(TorchDispatchMode):
    """Remembers how many numbers the largest tensor has that any operation makes."""

    numbers = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return out


class Kept:
    """What is kept for the gradient: how many numbers at most, a tensor that is kept twice being one."""

    def __init__(self) -> None:
        self.holders: Counter[int] = Counter()
        self.now = self.most = 0

    def pack(self, tensor: Tensor) -> "One":
        return One(tensor, self)


class One:
    """A tensor that is kept, counted as long as it is there."""

    def __init__(self, tensor: Tensor, kept: Kept) -> None:
        self.tensor, self.kept = tensor, kept
        self.place = tensor.untyped_storage().data_ptr()
        kept.now += 0 if kept.holders[self.place] else tensor.numel()
        kept.holders[self.place] += 1
        kept.most = max(kept.most, kept.now)

    def __del__(self) -> None:
        self.kept.holders[self.place] -= 1
        self.kept.now -= 0 if self.kept.holders[self.place] else self.tensor.numel()


@each_loss
def test_memory_grows_with_the_square_of_the_batch(make: Make) -> None:
    """No tensor, on the way there or back, is larger than batch × batch, nor are many of that size there at a time.

    But for the two columns of a list of pairs.
    """
    size, kept = 256, Kept()
    embeddings, labels = batch(torch.float32, size)
    loss = make()
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda one: one.tensor), Largest() as largest:
        value_and_gradient(loss, embeddings, labels)
    assert 0 < largest.numbers <= 2 * size**2
    assert 0 < kept.most <= 20 * size**2


MININGS = [kind() for kind in PUBLIC if issubclass(kind, losses.Mining) and not inspect.isabstract(kind)]


@pytest.mark.parametrize("mining", MININGS, ids=repr)
@pytest.mark.parametrize("make", OF_PAIRS)
def test_any_mining_chooses_for_any_loss_of_pairs(make: Make, mining: losses.Mining) -> None:
    """And where it leaves nothing, for there is one class or one picture of each, the loss is a number of 0 or more."""
    loss = make().double()
    loss.mining = mining
    embeddings, labels = batch()
    for some in (labels, torch.zeros_like(labels), torch.arange(CLASSES)):
        value, gradient = value_and_gradient(loss, embeddings[: len(some)], some)
        assert -1e-9 < value < 1e3
        assert torch.isfinite(gradient).all()


def learned_mahalanobis() -> MetricLayer:
    return MetricLayer(Mahalanobis(L=np.eye(4, DIM) + 0.2)).double()


DISTANCES: list[Callable[[], Any]] = [Euclidean, SquaredEuclidean, Cosine, learned_mahalanobis]
DISTANCES += [kind for kind in METRICS.values() if kind.domain == "histograms"]


@pytest.mark.parametrize("make", OF_PAIRS)
@pytest.mark.parametrize("distance", DISTANCES)
def test_any_metric_is_the_distance(make: Make, distance: Callable[[], Any]) -> None:
    """Of vectors on the sphere, or of histograms that a softmax makes: a gradient, and L learns where there is one."""
    loss = make()
    loss.metric = distance()
    embeddings, labels = batch()
    embeddings.requires_grad_()
    histograms = getattr(loss.metric, "domain", None) == "histograms"
    given = embeddings.softmax(dim=1) if histograms else embeddings
    if (
        loss.mining.needs_chord_length and not current_metric(loss.metric).has_chord_length
    ):  # a mining that is made for some
        with pytest.raises(UsageError, match="or another mining"):
            loss(given, labels)
        return
    value = loss(given, labels)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(embeddings.grad).all()
    if value > 0:
        assert embeddings.grad.abs().sum() > 0
        for learned in loss.parameters():
            assert learned.grad is not None
            assert torch.isfinite(learned.grad).all()
            assert learned.grad.abs().sum() > 0


@pytest.mark.parametrize("make", OF_PAIRS)
def test_points_of_the_sphere_are_no_histograms(make: Make) -> None:
    loss = make()
    loss.metric = Matusita()
    with pytest.raises(UsageError, match="takes histograms: row 0 of the embeddings has"):
        loss(*batch())


@pytest.mark.parametrize("kind", [losses.ProxyNCA, losses.ProxyAnchor, losses.CenterLoss])
def test_proxies_are_no_histograms(kind: Callable[..., nn.Module]) -> None:
    with pytest.raises(UsageError, match="one of vectors, and the metric matusita takes histograms"):
        kind(CLASSES, DIM, metric=Matusita())(*batch())
