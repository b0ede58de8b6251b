"""Views: what moves where, and that nothing comes in from outside the picture."""

import numpy as np
import pytest

from semelha.errors import UsageError
from semelha.images import View, standard_views


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("shape", [(20, 20, 3), (20, 20, 1), (20, 30, 3)])
@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(turn=180), lambda p: np.rot90(p, 2)),
        (View(mirror=True), lambda p: p[:, ::-1]),
        (View(turn=180, mirror=True), lambda p: p[::-1]),
    ],
)
def test_turned_and_mirrored(view: View, expected: object, shape: tuple[int, ...]) -> None:
    picture = noise(*shape)
    np.testing.assert_allclose(view(picture).astype(int), expected(picture), atol=1)  # type: ignore[operator]


def test_a_quarter_turn_is_counter_clockwise() -> None:
    picture = noise(20, 20, 3)
    np.testing.assert_allclose(View(turn=90)(picture).astype(int), np.rot90(picture), atol=1)


def test_to_the_right_and_down_the_border_is_drawn_on() -> None:
    picture = noise(20, 20, 1)
    moved = View(right=0.1, down=0.2)(picture)
    np.testing.assert_array_equal(moved[4:, 2:], picture[:-4, :-2])
    np.testing.assert_array_equal(moved[4:, 0], picture[:-4, 0])


def test_twice_as_large() -> None:
    picture = np.zeros((40, 40, 1), np.uint8)
    picture[15:25, 15:25] = 255
    larger, smaller = View(scale=2)(picture), View(scale=0.5)(picture)
    assert larger.sum() / 255 == pytest.approx(400, rel=0.05)
    assert smaller.sum() / 255 == pytest.approx(25, rel=0.1)


def test_an_even_picture_stays_so_under_every_view() -> None:
    """No rim, no black corners."""
    picture = np.full((17, 23, 3), (250, 3, 90), np.uint8)
    for view in [*standard_views(18, mirror=True), View(turn=45, scale=0.25, right=0.5, down=-0.5)]:
        np.testing.assert_array_equal(view(picture), picture)


def test_the_first_view_is_the_picture_and_no_two_are_alike() -> None:
    for mirror, count in ((False, 9), (True, 18)):
        views = standard_views(count, mirror=mirror)
        assert views[0] == View()
        assert len(set(views)) == count
        assert standard_views(3, mirror=mirror) == views[:3]
        with pytest.raises(UsageError, match=f"must be 1 to {count}"):
            standard_views(count + 1, mirror=mirror)
    assert standard_views(2, mirror=True)[1] == View(mirror=True)


@pytest.mark.parametrize("wrong", [{"scale": 0}, {"right": 0.6}, {"down": float("nan")}, {"turn": float("inf")}])
def test_views_that_show_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="is out of range"):
        View(**wrong)  # type: ignore[arg-type]
