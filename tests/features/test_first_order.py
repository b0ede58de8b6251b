"""The statistics, against the definitions on a plain list of pixels."""

import numpy as np
import pytest
from scipy import stats

from semelha.errors import UsageError
from semelha.features import STATISTICS, FirstOrder
from semelha.features.first_order import statistics_of

random = np.random.default_rng(0)


def plainly(x: np.ndarray, bin_width: float = 25) -> dict[str, float]:
    """PyRadiomics' definitions and Gonzalez & Woods', word by word, of pixels (n,) float64."""
    p = np.unique(np.floor(x / bin_width), return_counts=True)[1] / len(x)
    tenth, ninetieth = np.percentile(x, 10), np.percentile(x, 90)
    middle = x[(x >= tenth) & (x <= ninetieth)]
    flat = np.ptp(x) == 0
    return {
        "energy": (x**2).sum(),
        "total-energy": 2 * (x**2).sum(),
        "entropy": stats.entropy(p, base=2),
        "minimum": x.min(),
        "10th-percentile": tenth,
        "90th-percentile": ninetieth,
        "maximum": x.max(),
        "mean": x.mean(),
        "median": np.median(x),
        "interquartile-range": np.percentile(x, 75) - np.percentile(x, 25),
        "range": np.ptp(x),
        "mean-absolute-deviation": np.abs(x - x.mean()).mean(),
        "robust-mean-absolute-deviation": np.abs(middle - middle.mean()).mean() if len(middle) else 0,
        "root-mean-squared": np.sqrt((x**2).mean()),
        "standard-deviation": x.std(),
        "skewness": 0 if flat else stats.skew(x),
        "kurtosis": 0 if flat else stats.kurtosis(x, fisher=False),
        "variance": x.var(),
        "uniformity": (p**2).sum(),
        "smoothness": 1 - 1 / (1 + (x / 255).var()),
        "third-moment": ((x - x.mean()) ** 3).mean() / 255**2,
    }


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10, 11, 31, 100, 4001])
@pytest.mark.parametrize("levels", [1, 3, 256])
@pytest.mark.parametrize("bin_width", [25, 10.5])
def test_agrees_with_the_definitions(size: int, levels: int, bin_width: float) -> None:
    pixels = random.integers(0, levels, size) * (255 // max(1, levels - 1))
    counts = np.bincount(pixels, minlength=256)
    found = statistics_of(counts, bin_width=bin_width, pixel_area=2)
    assert tuple(found) == STATISTICS
    for name, expected in plainly(pixels.astype(float), bin_width).items():
        assert found[name] == pytest.approx(expected, rel=1e-9, abs=1e-9), name


def test_agrees_with_pyradiomics() -> None:
    """What PyRadiomics 3.1.4 gave for these pixels, with its settings untouched."""
    y, x = np.mgrid[:31, :17]
    picture = np.repeat(((7 * x + 13 * y + x * y % 11 * x) % 251).astype(np.uint8)[..., None], 3, axis=2)
    theirs = {
        "energy": 11013689.0,
        "total-energy": 11013689.0,
        "entropy": 3.3289419748979023,
        "minimum": 0.0,
        "10th-percentile": 29.6,
        "90th-percentile": 221.0,
        "maximum": 250.0,
        "mean": 126.54459203036053,
        "median": 126.0,
        "interquartile-range": 118.0,
        "range": 250.0,
        "mean-absolute-deviation": 60.11918812943553,
        "robust-mean-absolute-deviation": 47.53655578266436,
        "root-mean-squared": 144.56431304858964,
        "standard-deviation": 69.89497002703585,
        "skewness": -0.027212005517973478,
        "kurtosis": 1.8666062218207335,
        "variance": 4885.3068350802405,
        "uniformity": 0.10053325363933907,
    }
    assert tuple(theirs) == STATISTICS[:19]
    np.testing.assert_allclose(FirstOrder(statistics=list(theirs))(picture), list(theirs.values()), rtol=1e-6)


def test_cells_and_channels_are_where_the_columns_say() -> None:
    picture = random.integers(0, 256, (40, 61, 3), np.uint8)
    features = FirstOrder("rgb", grid=(2, 3))
    vector = dict(zip(features.columns, features(picture), strict=True))
    assert len(vector) == features.dim == 2 * 3 * 3 * 21
    cell = picture[20:40, 40:61, 1].astype(float).ravel()
    for name, expected in plainly(cell).items():
        factor = 0.5 if name == "total-energy" else 1
        assert vector[f"1,2/green/{name}"] == pytest.approx(expected * factor, rel=1e-5, abs=1e-5), name


def test_the_order_is_what_was_asked_for() -> None:
    picture = np.full((4, 4, 3), 7, np.uint8)
    assert FirstOrder(statistics=["maximum", "entropy", "mean"])(picture).tolist() == [7, 0, 7]


def test_known_textures() -> None:
    """Of two levels half and half, and of all levels alike."""
    halves = np.zeros((16, 16, 3), np.uint8)
    halves[8:] = 255
    found = dict(zip(STATISTICS, FirstOrder()(halves).tolist(), strict=True))
    assert (found["entropy"], found["uniformity"], found["kurtosis"], found["skewness"]) == (1, 0.5, 1, 0)
    assert found["smoothness"] == pytest.approx(1 - 1 / 1.25)
    every = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    assert dict(zip(STATISTICS, FirstOrder(bin_width=1)(every).tolist(), strict=True))["entropy"] == 8


@pytest.mark.parametrize(
    "wrong",
    [{"color": "cmyk"}, {"grid": (0, 1)}, {"bin_width": 0}, {"statistics": []}, {"statistics": ["mean", "mean"]}],
)
def test_arguments_that_are_wrong(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        FirstOrder(**wrong)  # type: ignore[arg-type]
