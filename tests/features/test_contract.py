"""What every extractor does: found by its name, so that a new one is tested the moment it exists."""

import json
from typing import Any

import numpy as np
import pytest

import semelha.features
from semelha.errors import ModelError, UsageError
from semelha.features import FEATURES, HOG, Features, FirstOrder, Histogram, RawPixels, features_from_card

random = np.random.default_rng(0)
PICTURES = random.integers(0, 256, (5, 37, 50, 3), np.uint8)
SETTINGS: list[Features] = [
    *(kind() for kind in FEATURES.values()),
    FirstOrder("lab", grid=(3, 2), bin_width=10, statistics=["mean", "kurtosis"]),
    Histogram("hsv", bins=5, joint=True, grid=(2, 2), alpha=0),
    Histogram("grey", bins=256),
    HOG((40, 32), orientations=7, cell=6, block=3, channels=3),
    RawPixels((9, 7), channels=3, centered=True),
]
every = pytest.mark.parametrize("features", SETTINGS, ids=lambda features: repr(features)[:60])


def test_every_extractor_of_the_package_is_here_and_named() -> None:
    public = [getattr(semelha.features, name) for name in semelha.features.__all__]
    concrete = {
        kind for kind in public if isinstance(kind, type) and issubclass(kind, Features) and kind is not Features
    }
    assert concrete == set(FEATURES.values())
    assert len(concrete) >= 4


@every
class TestEveryExtractor:
    def test_one_at_a_time_and_a_batch_agree(self, features: Features) -> None:
        vectors = features.batch(PICTURES)
        assert vectors.shape == (5, features.dim)
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()
        for picture, vector in zip(PICTURES, vectors, strict=True):
            one = features(picture)
            assert one.shape == (features.dim,)
            assert one.dtype == np.float32
            np.testing.assert_array_equal(one, vector)

    def test_is_made_again_from_json(self, features: Features) -> None:
        again = features_from_card(features.name, json.loads(json.dumps(features.arguments())))
        assert type(again) is type(features)
        assert repr(again) == repr(features)
        np.testing.assert_array_equal(again.batch(PICTURES), features.batch(PICTURES))

    @pytest.mark.parametrize("shape", [(1, 1), (1, 60), (50, 1), (3, 2), (300, 7)])
    def test_pictures_of_any_size(self, features: Features, shape: tuple[int, int]) -> None:
        assert np.isfinite(features(random.integers(0, 256, (*shape, 3), np.uint8))).all()

    def test_flat_pictures(self, features: Features) -> None:
        for level in (0, 128, 255):
            assert np.isfinite(features(np.full((20, 30, 3), level, np.uint8))).all()

    def test_views_are_pictures(self, features: Features) -> None:
        np.testing.assert_array_equal(
            features.batch(PICTURES[:, ::-1, ::2]), features.batch(PICTURES[:, ::-1, ::2].copy())
        )

    def test_the_picture_is_left_alone(self, features: Features) -> None:
        picture = PICTURES[0].copy()
        picture.setflags(write=False)
        features(picture)
        np.testing.assert_array_equal(picture, PICTURES[0])

    def test_no_pictures_have_no_vectors(self, features: Features) -> None:
        assert features.batch(PICTURES[:0]).shape == (0, features.dim)

    @pytest.mark.parametrize(
        "wrong",
        [PICTURES.astype(np.float32), PICTURES[0], PICTURES[..., :1], PICTURES[:, :0], PICTURES[:, :, :0]],
        ids=["float", "one", "grey", "no-rows", "no-columns"],
    )
    def test_what_is_no_picture_is_an_error(self, features: Features, wrong: np.ndarray) -> None:
        with pytest.raises(UsageError, match="pictures"):
            features.batch(wrong)

    def test_unknown_arguments_are_an_error(self, features: Features) -> None:
        with pytest.raises(ModelError, match="take no 'speed'"):
            features_from_card(features.name, {**features.arguments(), "speed": 3})

    def test_hostile_arguments_are_one_error(self, features: Features) -> None:
        """Whatever stands in a card in the place of an argument is refused in one sentence, or right."""
        hostile: list[Any] = [None, True, -1, 0, 1.5, 10**9, float("nan"), float("inf"), "x" * 10**6, [], [1], {}]
        hostile += [[10**9, 10**9], [0, 0], [1, 1, 1], ["a", "b"], [[1], [2]], [True, True], {"a": 1}, [None, None]]
        for argument in features.arguments():
            for value in hostile:
                made, message = None, ""
                try:
                    made = features_from_card(features.name, {**features.arguments(), argument: value})
                except ModelError as error:
                    message = str(error)
                assert made is not None or 0 < len(message) < 400
                assert "\n" not in message
                assert made is None or made.batch(PICTURES).shape == (5, made.dim)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [(None, {}), ("nonsense", {}), (["hog"], {}), ({"hog": 1}, {}), ("hog", None), ("hog", [64, 64]), ("hog", "size")],
)
def test_cards_that_are_wrong(name: object, arguments: object) -> None:
    with pytest.raises(ModelError, match="the model"):
        features_from_card(name, arguments)
