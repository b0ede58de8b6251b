"""The name of a route in metrics, logs and traces is the same with every version of FastAPI."""

from types import SimpleNamespace

import pytest

from semelha.service.paths import route_of


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/subjects/{name}", "/subjects/{name}"),
        ("/api/v1/subjects/{name}", "/subjects/{name}"),
        ("/api/v1/galleries/{gallery}/subjects/{name}", "/subjects/{name}"),
        ("/api/v1/galleries/{gallery}", "/galleries/{gallery}"),
        ("/api/v1/recognition/faces", "/recognition/faces"),
        ("/metrics", "/metrics"),
    ],
)
def test_a_route_is_named_without_its_prefix(path: str, name: str) -> None:
    assert route_of({"route": SimpleNamespace(path_format=path)}) == name


def test_a_request_that_no_route_answers() -> None:
    assert route_of({}) == "none"
