"""The OpenAPI document, the page of the endpoints, and the numbers for Prometheus."""

import re

from fastapi.testclient import TestClient
from tests.service.made import files, near


def test_the_document_describes_every_endpoint_once(reader: TestClient) -> None:
    document = reader.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    operations = [one for path in document["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    assert all(one["tags"] and one["description"] for one in operations)
    for path in document["paths"]:
        if path.startswith("/api/v1/") and not path.startswith("/api/v1/galleries"):
            assert path.replace("/api/v1/", "/api/v1/galleries/{gallery}/", 1) in document["paths"]
        for method in document["paths"][path].values():
            declared = {each["name"] for each in method.get("parameters", ()) if each["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path)), path
    form = document["paths"]["/api/v1/identify"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert "picture" in form["properties"]
    assert "$defs" not in reader.get("/openapi.json").text


def test_every_error_is_described_as_it_is_sent(reader: TestClient) -> None:
    document = reader.get("/openapi.json").json()
    for path in document["paths"].values():
        for operation in path.values():
            assert "422" not in operation["responses"]
            assert list(operation["responses"]["default"]["content"]) == ["application/problem+json"]
    fields = document["components"]["schemas"]["Problem"]["properties"]
    assert set(fields) == set(reader.get("/api/v1/subjects/nobody").json())


def test_a_method_that_a_path_does_not_take(reader: TestClient) -> None:
    answer = reader.put("/api/v1/subjects/a%2Fb")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, PATCH")
    assert reader.options("/api/v1/galleries/shop/jobs/1").headers["allow"] == "DELETE, GET"


def test_the_page_has_every_endpoint_and_loads_nothing_from_elsewhere(reader: TestClient) -> None:
    page = reader.get("/docs").text
    document = reader.get("/openapi.json").json()
    for path in document["paths"]:
        if not path.startswith("/api/v1/galleries/{gallery}/"):
            assert path in page
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert " style=" not in page
    (style,) = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)
    answer = reader.get(f"/{style}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")


def test_numbers_count_routes_and_not_names(reader: TestClient) -> None:
    for number in range(3):
        reader.get(f"/api/v1/subjects/s{number}")
        reader.get(f"/elsewhere/{number}")
    reader.post("/api/v1/identify", files=files(near(1), near(2)))
    text = reader.get("/metrics").text
    assert re.search(r'semelha_requests_total{method="GET",route="[^"]*/subjects/{name}",status="200"} 3.0', text)
    assert 'route="none",status="404"} 3.0' in text
    assert "semelha_batch_pictures_sum 2.0" in text
    assert "elsewhere" not in text


def test_methods_that_are_made_up_are_counted_as_one(reader: TestClient) -> None:
    for method in ("BREW", "WHEN"):
        assert reader.request(method, "/healthz").status_code == 405
    assert 'method="other"' in reader.get("/metrics").text
    assert "BREW" not in reader.get("/metrics").text
