"""The cost model of docs/scale.md: laws are fitted and tried rightly, queues and merges are those of the real thing."""

import json

import numpy as np
import pytest

from _scale_fit import constant_and, law, left_out, power_law
from _scale_page import PAGE, Plan, filled, large
from _scale_plan import Assumptions, Laws, crossing, merges, sharded, strangers_for
from _scale_points import MEASURED, cells_law, computed, predictions, reading, scanned_law, served
from _scale_queue import arrivals, batched, slowest
from _scale_report import errors_body, measured_body, short
from semelha.index import LinearIndex
from semelha.index.settings import settings
from semelha.metrics import Euclidean

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)


def test_a_law_is_found_in_what_follows_it() -> None:
    found = law(constant_and(lambda n: n, lambda n: n**1.5), {n: 1e-4 + 2e-8 * n + 3e-11 * n**1.5 for n in SIZES})
    assert found(4e6) == pytest.approx(1e-4 + 0.08 + 0.24)
    assert power_law({n: 7 * n**0.25 for n in SIZES})(10**8) == pytest.approx(700)


def test_no_coefficient_is_negative() -> None:
    found = law(constant_and(lambda n: n), {10: 1.0, 20: 5.0, 30: 9.0})
    assert found(1) >= 0


def test_a_scan_costs_more_beyond_the_cache() -> None:
    read = reading({"reading": [(1e6, 1e-4), (2e7, 2e-3), (4e7, 8e-3), (1e9, 0.2)]})
    assert read(1e7) == pytest.approx(1e-3)
    assert read(1e10) == pytest.approx(2.0)
    found = scanned_law(read, {n: 1e-4 + 1.5 * read(n) for n in (10**6, 10**7, 10**8, 10**9)})
    assert found(5e6) == pytest.approx(1e-4 + 7.5e-4)
    assert found(5e8) == pytest.approx(1e-4 + 0.15)


def test_codes_take_the_time_to_read_them() -> None:
    depths, read = {10_000: 20.0, 40_000: 10.0, 160_000: 10.0}, lambda size: 1e-10 * size
    times = {n: 4e-8 * n**0.5 + (1e-8 + 64e-10) * depths[n] * n**0.5 / 4 for n in depths}
    found = cells_law(read, 64, depths, times)
    assert found(160_000) == pytest.approx(times[160_000])
    assert found(640_000) == pytest.approx(2 * times[160_000])  # with as many probes


def test_a_size_that_is_left_out_does_not_help_to_predict_itself() -> None:
    points = {n: float(n) for n in SIZES} | {1_000_000: 3e6}
    found = {one.n: one for one in left_out("time", lambda some: law(constant_and(lambda n: n), some), points)}
    assert found[1_000_000].error == pytest.approx(-2 / 3)
    assert found[1_000_000].largest
    assert not found[10_000].largest


def test_waiting_is_that_of_a_queue_with_a_constant_service() -> None:
    load, service = 0.7, 0.001
    waiting = batched(arrivals(load / service, 200_000, 0), lambda size: service, 1).mean() - service
    assert waiting == pytest.approx(service * load / (2 * (1 - load)), rel=0.05)  # Pollaczek and Khinchine


def test_batches_have_at_most_their_size_and_take_who_waits() -> None:
    sizes: list[int] = []

    def seconds(size: int) -> float:
        sizes.append(size)
        return 1.0

    found = batched(np.array([0.0, 0.1, 0.2, 0.3, 5.0]), seconds, 2)
    assert sizes == [1, 2, 1, 1]
    assert found.tolist() == pytest.approx([1.0, 1.9, 1.8, 2.7, 1.0])


def test_the_slowest_of_shards() -> None:
    uniform = np.linspace(0, 1, 10_001)
    assert slowest(uniform, 9, 0).mean() == pytest.approx(0.9, abs=0.01)
    assert np.quantile(slowest(uniform, 100, 0), 0.99) == pytest.approx(0.9999, abs=0.001)


@pytest.mark.parametrize("n", [64, 100, 520])
def test_merges_are_those_of_an_index(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    delta = 8
    monkeypatch.setattr(settings, "max_delta_size", delta)
    index, vectors, built = LinearIndex(Euclidean()), np.random.default_rng(0).normal(size=(n, 3)), []
    for first in range(0, n, delta):
        index.add(np.arange(first, min(first + delta, n)), vectors[first : first + delta])
        before = {id(part.segment) for part in index.snapshot().parts}
        if index.merge():
            built += [len(part) for part in index.snapshot().parts if id(part.segment) not in before]
    assert list(merges(n, delta)) == built


def test_strangers_that_measure_a_rate() -> None:
    assert strangers_for(0.01, 0.1) == 9900


def test_a_limit_is_where_the_law_passes_it() -> None:
    assert crossing(lambda n: n**2, 1e10) == pytest.approx(1e5, rel=0.01)
    assert crossing(lambda n: 1.0, 2.0) is None


def test_twice_as_large_shards_are_half_as_many() -> None:
    laws = Laws(lambda n: 3e-4, lambda n: 2e-4, lambda n: n * 1e-4)
    few, many = (sharded(laws, lambda n: 800.0, size, Assumptions(examples=1e8)) for size in (2e7, 1e7))
    assert (few.shards, many.shards) == (5, 10)
    assert few.cores * 2 == many.cores
    assert few.memory == many.memory == 2 * 800 * 1e8
    assert few.slowest_p99 >= few.p99 >= few.p50 > 2e-4


def test_numbers_are_written_with_three_digits() -> None:
    assert [short(value) for value in (0, 0.012345, 1.2345, 12.345, 123.45, 1234567)] == [
        "0",
        "0.0123",
        "1.23",
        "12.3",
        "123",
        "1,230,000",
    ]
    assert [large(value) for value in (1e7, 3e7, 2.5e4)] == ["10⁷", "3·10⁷", "2.5·10⁴"]


def test_pictures_a_second_are_read_from_the_results() -> None:
    load = "| semelha | 100,000 | 8 | 90.0 |\n| semelha | 100,000 | 64 | 100.0 |\n| glued | 100,000 | 64 | 99 |\n"
    text = f"## The server under load\n\n2 cores\n\n{load}\n"
    text += "## Throughput of training\n\n4 cores\n\n| cpu | small | 64 | 1 | 600 |\n"
    assert served(text) == {"whole": 50.0, "embeds": {"small, 64": 150.0}}


def test_bytes_are_those_of_the_files() -> None:
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    found = [one for one in computed(measured) if one.what.endswith("bytes on disk")]
    assert found
    assert max(abs(one.error) for one in found) < 0.01


def test_the_page_and_the_results_are_those_of_the_measurements() -> None:
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, Plan(measured, Assumptions()).tables()) == page, "python benchmarks/scale_model.py write"
    results = (PAGE.parents[1] / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    assert measured_body(measured) in results
    assert errors_body(measured) in results
    assert list(predictions(measured))
