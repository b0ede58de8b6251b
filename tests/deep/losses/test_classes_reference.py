"""Losses that know the classes: value and gradient, of the proxies too, are those of pytorch-metric-learning.

Or of a plain loop, where it has no such loss.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pytorch_metric_learning import losses as pml
from pytorch_metric_learning import reducers
from tests.deep.losses.oracles import CLASSES, DIM, UNEVEN, assert_equal, batches, embeddings
from torch import Tensor, nn
from torch.nn.functional import normalize

from semelha.deep.losses import (
    ArcFace,
    CenterLoss,
    CosFace,
    CrossEntropy,
    MarginSoftmax,
    NoMargin,
    ProxyAnchor,
    ProxyNCA,
    SoftmaxMargin,
    SoftTriple,
    SphereFace,
    adacos_scale,
    dynamic_margins,
)
from semelha.errors import UsageError


@pytest.fixture(autouse=True)
def seeded() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def assert_equal_with_proxies(ours: nn.Module, other: nn.Module, mine: nn.Parameter, theirs: nn.Parameter) -> None:
    """Both start from the same proxies, ours (classes[, centers], dim); theirs that, or its transpose."""
    flat = mine.data.reshape(-1, DIM)
    turned = theirs.shape != flat.shape
    theirs.data = flat.T.clone() if turned else flat.clone()
    assert_equal(ours, other)
    for x, labels in batches():
        for loss in (ours, other):
            loss.zero_grad()
            loss(x, labels).backward()
        gradient = theirs.grad.T if turned else theirs.grad
        assert gradient.abs().sum() > 0
        torch.testing.assert_close(mine.grad.reshape(-1, DIM), gradient, rtol=1e-8, atol=1e-8)


MARGINS = [
    (NoMargin(), lambda: pml.NormalizedSoftmaxLoss(CLASSES, DIM, temperature=1 / 20)),
    (CosFace(0.3), lambda: pml.CosFaceLoss(CLASSES, DIM, margin=0.3, scale=20)),
    (ArcFace(0.5), lambda: pml.ArcFaceLoss(CLASSES, DIM, margin=math.degrees(0.5), scale=20)),
    (ArcFace(1.5), lambda: pml.ArcFaceLoss(CLASSES, DIM, margin=math.degrees(1.5), scale=20)),
]


@pytest.mark.parametrize(("margin", "theirs"), MARGINS, ids=[str(margin) for margin, _ in MARGINS])
def test_margin_softmax(margin: SoftmaxMargin, theirs: Callable[[], Any]) -> None:
    """Margin 1.5 puts many angles beyond π − m, where ArcFace is continued by a line."""
    ours, other = MarginSoftmax(CLASSES, DIM, margin=margin, scale=20).double(), theirs().double()
    other.reducer = reducers.MeanReducer()
    assert_equal_with_proxies(ours, other, ours.proxies, other.W)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what theirs does to NumPy
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_sphereface(m: int) -> None:
    """Theirs multiplies by the length of the embedding, which is 1 here."""
    ours = MarginSoftmax(CLASSES, DIM, margin=SphereFace(m), scale=20).double()
    other = pml.SphereFaceLoss(CLASSES, DIM, margin=m, scale=20).double()
    on_sphere = nn.Module()
    on_sphere.inner, on_sphere.forward = other, lambda x, labels: other(normalize(x), labels)
    assert_equal_with_proxies(ours, on_sphere, ours.proxies, other.W)


def test_the_margin_of_sphereface_is_whole() -> None:
    with pytest.raises(UsageError, match=r"whole number, 1 or more"):
        SphereFace(0)


def test_sub_center_arcface() -> None:
    ours = MarginSoftmax(CLASSES, DIM, margin=ArcFace(0.5), scale=20, centers=3).double()
    other = pml.SubCenterArcFaceLoss(
        num_classes=CLASSES, embedding_size=DIM, margin=math.degrees(0.5), scale=20, sub_centers=3
    ).double()
    assert_equal_with_proxies(ours, other, ours.proxies, other.W)


@pytest.mark.parametrize("margin", [ArcFace(0.1), CosFace(0.1)], ids=str)
def test_margins_by_class_are_those_of_a_loop(margin: Any) -> None:
    """One picture after another, each with the margin of its class."""
    each = dynamic_margins([1, 3, 5, 10, 20, 100, 1000])
    ours = MarginSoftmax(CLASSES, DIM, margin=margin, scale=20, margins=each).double()

    def loop(x: Tensor, labels: Tensor) -> Tensor:
        total = x.new_zeros(())
        for row, label in zip(x, labels, strict=True):
            one = MarginSoftmax(CLASSES, DIM, margin=type(margin)(each[label]), scale=20).double()
            one.proxies = ours.proxies
            total = total + one(row[None], label[None])
        return total / len(x)

    # Buffers of margins are float32 until the module is made double.
    ours.margins = torch.tensor(each, dtype=torch.float64)
    assert_equal(ours, loop)


def test_dynamic_margins_follow_the_law() -> None:
    """Largest for the rarest, m = a · n^(−λ) + b in between."""
    pictures = [2, 16, 81, 625]
    found = dynamic_margins(pictures, least=0.1, most=0.4)
    assert found[0] == pytest.approx(0.4)
    assert found[-1] == pytest.approx(0.1)
    a = (found[1] - found[2]) / (1 / 2 - 1 / 3)
    assert found == pytest.approx([a * (n**-0.25 - 625**-0.25) + 0.1 for n in pictures])
    assert dynamic_margins([5, 5]) == (0.5, 0.5)
    with pytest.raises(UsageError, match="1 or more for each class"):
        dynamic_margins([3, 0])


def test_margins_must_fit_the_classes_and_the_margin() -> None:
    with pytest.raises(UsageError, match="margins has 2 numbers: it must have one for each of the 3 classes"):
        MarginSoftmax(3, DIM, margin=ArcFace(), margins=[0.1, 0.2])
    for margin in (NoMargin(), SphereFace()):
        with pytest.raises(UsageError, match="take CosFace"):
            MarginSoftmax(2, DIM, margin=margin, margins=[0.1, 0.2])(torch.randn(2, DIM), torch.arange(2))


def test_the_fixed_scale_of_adacos() -> None:
    """Table 1 of the paper has 13.0 for the 10,575 classes of CASIA-WebFace, to the digit."""
    assert adacos_scale(10_575) == pytest.approx(13.1, abs=0.05)
    with pytest.raises(UsageError, match="classes is 2"):
        adacos_scale(2)


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


@pytest.mark.parametrize("temperature", [1 / 9, 1.0])
def test_proxy_nca(temperature: float) -> None:
    """Theirs is called ProxyNCA, and has the proxy of the class in the sum, as ProxyNCA++."""
    ours = ProxyNCA(CLASSES, DIM, temperature=temperature).double()
    other = pml.ProxyNCALoss(CLASSES, DIM, softmax_scale=1 / temperature).double()
    assert_equal_with_proxies(ours, other, ours.proxies, other.proxies)


@pytest.mark.parametrize(("margin", "scale"), [(0.1, 32.0), (0.3, 8.0)])
def test_proxy_anchor(margin: float, scale: float) -> None:
    ours = ProxyAnchor(CLASSES, DIM, margin=margin, scale=scale).double()
    other = pml.ProxyAnchorLoss(CLASSES, DIM, margin=margin, alpha=scale).double()
    assert_equal_with_proxies(ours, other, ours.proxies, other.proxies)


@pytest.mark.parametrize("centers", [1, 4])
def test_soft_triple(centers: int) -> None:
    """Without the term that makes centers one, which theirs has not."""
    ours = SoftTriple(CLASSES, DIM, centers=centers, gamma=0.2, margin=0.05, merging=0.0).double()
    other = pml.SoftTripleLoss(CLASSES, DIM, centers_per_class=centers, gamma=0.2, margin=0.05).double()
    assert_equal_with_proxies(ours, other, ours.proxies, other.fc)


def test_what_makes_centers_one_is_the_mean_of_their_distances() -> None:
    ours = SoftTriple(CLASSES, DIM, centers=3, merging=0.7).double()
    plain = SoftTriple(CLASSES, DIM, centers=3, merging=0.0).double()
    plain.proxies = ours.proxies
    total = torch.zeros((), dtype=torch.float64)
    for centers in normalize(ours.proxies, dim=2):
        for first, second in ((0, 1), (0, 2), (1, 2)):
            total = total + (centers[first] - centers[second]).norm()
    x, labels = embeddings(UNEVEN), UNEVEN
    found = torch.autograd.grad(ours(x, labels), ours.proxies)[0]
    expected = torch.autograd.grad(plain(x, labels) + 0.7 * total / (CLASSES * 3 * 2), ours.proxies)[0]
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def test_centers_that_are_one_have_a_finite_gradient() -> None:
    ours = SoftTriple(CLASSES, DIM, centers=3).double()
    ours.proxies.data = ours.proxies.data[:, :1].repeat(1, 3, 1)
    ours(embeddings(UNEVEN), UNEVEN).backward()
    assert torch.isfinite(ours.proxies.grad).all()


def test_center() -> None:
    ours = CenterLoss(CLASSES, DIM).double()

    def loop(x: Tensor, labels: Tensor) -> Tensor:
        away = [(row / row.norm() - ours.centers[label]).square().sum() for row, label in zip(x, labels, strict=True)]
        return sum(away, x.new_zeros(())) / len(x) / 2

    assert_equal(ours, loop)


@pytest.mark.parametrize("angle", [0.0, 1e-7, 1e-4, math.pi - 1e-4, math.pi])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("margin", [ArcFace(), SphereFace()], ids=str)
def test_the_gradient_is_finite_where_the_arc_cosine_has_none(
    angle: float, dtype: torch.dtype, margin: SoftmaxMargin
) -> None:
    """An embedding on its proxy, or opposite it."""
    loss = MarginSoftmax(2, 2, margin=margin).to(dtype)
    loss.proxies.data = torch.eye(2, dtype=dtype)[:, None]
    x = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=dtype, requires_grad=True)
    loss(x, torch.tensor([0])).backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(loss.proxies.grad).all()
    assert x.grad.abs().max() < 100
