"""Calibration, check and cluster over HTTP: jobs, whose result is that of the gallery."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, near, png
from tests.tiny_model import noise

from semelha.gallery import Gallery, backup


@pytest.fixture
def copy(shop: Path, tmp_path: Path) -> Path:
    """A copy of the calibrated gallery, which may be written to."""
    backup(shop, tmp_path / "copy")
    return tmp_path / "copy"


def test_calibrate(copy: Path, serving: Any) -> None:
    client = serving(copy)
    assert client.get("/api/v1/calibration").json()["fpir"] == 0.1
    job = client.post("/api/v1/calibration", json={"fpir": 0.2, "uncertain": 0.4}).json()
    assert job["state"] == "done"
    assert job["result"] == client.get("/api/v1/calibration").json()
    assert (job["result"]["fpir"], job["result"]["n"], job["result"]["kind"]) == (0.2, 40, "subjects")
    assert client.post("/api/v1/identify", files=files(near(3))).json()["answers"][0]["target_fpir"] == 0.2


def test_a_rate_that_the_gallery_cannot_support(client: TestClient) -> None:
    assert client.get("/api/v1/calibration").json()["is_calibrated"] is False
    job = client.post("/api/v1/calibration", json={"fpir": 0.01}).json()
    assert (job["state"], job["problem"]["status"]) == ("failed", 409)
    assert "199 subjects" in job["problem"]["detail"]
    job = client.post("/api/v1/calibration", json={"fpir": 5e-324}).json()
    assert (job["state"], job["problem"]["status"]) == ("failed", 409)


@pytest.mark.parametrize(
    "body", [{}, {"fpir": 0}, {"fpir": 1}, {"fpir": "x"}, {"fpir": 0.1, "scoring": "worst"}, {"fpir": 0.1, "seed": -1},
             {"fpir": 0.1, "uncertain": 2}, {"fpir": 0.1, "uncertain": 0.05},
     {"fpir": 0.1, "seed": True}, {"fpir": "0.1"}, {"fpir": 0.1, "more": 1}, [0.1], "x"],
)  # fmt: skip
def test_bad_calibrations(client: TestClient, body: Any) -> None:
    assert client.post("/api/v1/calibration", json=body).status_code == 422


def test_check_and_cluster(reader: TestClient, shop: Path) -> None:
    pictures = [near(3), png(noise(800)), near(3)]
    checked = reader.post("/api/v1/check?min_score=0.1").json()
    clustered = reader.post("/api/v1/cluster", files=files(*pictures)).json()
    with Gallery(shop) as gallery:
        expected = gallery.check(min_score=0.1).to_json()
        assert checked["result"]["examples"] == expected["examples"] == 41
        assert len(checked["result"]["findings"]) == len(expected["findings"])
        assert len(clustered["result"]["clusters"]) == len(gallery.cluster(pictures))
    assert (clustered["done"], clustered["total"]) == (3, 3)


def test_the_evaluation(reader: TestClient, shop: Path) -> None:
    with Gallery(shop) as gallery:
        expected = gallery.evaluate(max_probes=1000).to_json()
    found = reader.get("/api/v1/evaluation").json()
    low, high = expected["r_at_1_interval"]
    assert found == expected | {"r_at_1_interval": {"low": low, "high": high}}
    assert (found["probes"], found["single_example_subjects"]) == (2, 39)
    assert reader.get("/api/v1/evaluation?max_probes=0").status_code == 422


def test_the_curve_and_the_answers_that_change(reader: TestClient, shop: Path) -> None:
    with Gallery(shop) as gallery:
        expected = gallery.det_curve()
        changes = gallery.changed_answers(0.05, 0.5, "non_mated")
    found = reader.get("/api/v1/calibration/curve").json()
    assert (found["fpir"], found["n"], found["probes"]) == (0.1, 40, 2)
    assert [one["fpir"] for one in found["points"]] == [one.fpir for one in expected.points]
    assert found["points"][-1]["threshold"] is not None
    query = "/api/v1/calibration/changes?before=0.5&after=0.05&probes=non_mated&limit=7"
    ids, page = [], reader.get(query).json()
    assert page["total"] == changes.total > 7
    while True:
        ids += [one["id"] for one in page["changes"]]
        if page["next"] is None:
            break
        page = reader.get(f"{query}&cursor={page['next']}").json()
    assert ids == [one.example for one in changes.answers]
    for wrong in ("before=2&after=0", "before=0", "before=0&after=nan", "before=0&after=1&probes=all"):
        assert reader.get(f"/api/v1/calibration/changes?{wrong}").status_code == 422


def test_the_model(reader: TestClient, shop: Path) -> None:
    with Gallery(shop) as gallery:
        model = gallery.model
    assert reader.get("/api/v1/model").json() == {
        "name": "tiny", "fingerprint": model.fingerprint, "dim": 8, "metric": "cosine", "height": 16, "width": 16,
    }  # fmt: skip
