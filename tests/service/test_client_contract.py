"""One suite for `Gallery`, `Client` and `AsyncClient`: the same calls have the same results and errors."""

import asyncio
import inspect
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.service.contract import KINDS, ODD_NAMES, opened
from tests.service.made import near, png
from tests.service.process import server
from tests.tiny_model import noise

from semelha import AsyncClient, Client, errors
from semelha.embedders import Model
from semelha.gallery import Gallery
from semelha.images import Picture, Skipped
from semelha.service.keys import KeyFile


def test_enroll_and_list(empty: Any) -> None:
    assert (len(empty), list(empty), empty.merges(), "a" in empty) == (0, [], [], False)
    first = empty.enroll("b", [png(noise(1)), noise(2)])
    assert (first.subject, first.added, len(first.numbers), first.duplicates) == ("b", 2, 2, ())
    assert empty.enroll("b", noise(2)).duplicates == ("picture 0",)
    before = empty.revision
    empty.enroll(" a ", Picture(noise(3), "", "shelf.jpg", box=(0, 0, 8, 8)))
    assert empty.revision > before
    assert (len(empty), list(empty), "a" in empty, " a" in empty, "" in empty) == (2, ["a", "b"], True, True, False)
    assert empty.example_count() == 3
    (record,) = empty.examples("a")
    assert (record.subject, record.source, record.has_picture) == ("a", "shelf.jpg", True)
    assert empty.example(record.number) == record
    assert empty.picture(record.number)[:4] == b"RIFF"
    assert empty.picture(10_000) is None
    assert empty.subject("b").examples == 2
    assert [one.name for one in empty.subjects()] == ["a", "b"]


def test_pages_of_subjects(known: Any) -> None:
    page = known.find_subjects("S1", sort="-examples", limit=4)
    assert (page.total, len(page.subjects), page.subjects[0].name) == (11, 4, "s1")
    more = known.find_subjects("S1", sort="-examples", limit=20, after=page.subjects[-1])
    assert len({one.name for one in (*page.subjects, *more.subjects)}) == 11


def test_all_or_none_is_enrolled(empty: Any, tmp_path: Path) -> None:
    missing = tmp_path / "missing.jpg"
    for bad in (b"no picture", missing):
        with pytest.raises(errors.PictureError):
            empty.enroll("a", [noise(1), bad])
        assert len(empty) == 0
    skipped: list[Skipped] = []
    assert empty.enroll("a", [missing, noise(1), b"no picture"], skipped=skipped).added == 1
    assert {one.name for one in skipped} == {str(missing), "picture 2"}
    with pytest.raises(errors.UsageError, match="pictures is empty"):
        empty.enroll("a", [])


def test_paths_are_read_by_the_caller(empty: Any, tmp_path: Path) -> None:
    for name, seed in (("a/1.png", 1), ("a/2.png", 2), ("b/3.png", 3)):
        (tmp_path / "catalogue" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "catalogue" / name).write_bytes(png(noise(seed)))
    (tmp_path / "catalogue" / "b" / "4.png").write_bytes(png(noise(4))[:200])
    seen: list[tuple[int, int]] = []
    done = empty.enroll_dataset(tmp_path / "catalogue", progress=lambda *counts: seen.append(counts))
    assert [(one.subject, one.added, len(one.warnings)) for one in done] == [("a", 2, 0), ("b", 1, 1)]
    assert seen[-1] == (4, 4)
    assert empty.identify(str(tmp_path / "catalogue" / "a" / "1.png")).subject == "a"
    assert empty.enroll("a", tmp_path / "catalogue" / "a" / "1.png").added == 0


def test_identify(known: Any, shop: Path) -> None:
    """The answers are those of `Gallery`, to the last field."""
    pictures = [near(1), noise(7), noise(500)]
    with Gallery(shop) as gallery:
        expected = gallery.identify_many(pictures, k=3)
    for picture, wanted in zip(pictures, expected, strict=True):
        found = known.identify(picture, k=3)
        assert type(found) is type(wanted)
        assert (found.decision, found.subject, found.note) == (wanted.decision, wanted.subject, wanted.note)
        assert [one.subject for one in found.candidates] == [one.subject for one in wanted.candidates]
        assert found.candidates[0].examples[0].example == wanted.candidates[0].examples[0].example
        for name in ("distance", "p_value", "probability", "target_fpir"):
            assert getattr(found, name) == pytest.approx(getattr(wanted, name), abs=1e-5)


def test_identify_many_in_several_requests(known: Any) -> None:
    """More pictures than one request takes keep their order; those that cannot be used are named by their position."""
    pictures: list[Any] = [noise(number % 40) for number in range(70)]
    pictures[3], pictures[40] = b"no picture", Path("missing.png")
    seen: list[tuple[int, int]] = []
    skipped: list[Skipped] = []
    found = known.identify_many(pictures, k=1, progress=lambda *counts: seen.append(counts), skipped=skipped)
    usable = [number for number in range(70) if number not in (3, 40)]
    assert [one.candidates[0].subject for one in found] == [f"s{number % 40}" for number in usable]
    assert [one.name for one in skipped] == ["picture 3", "missing.png"]
    assert seen[-1] == (70, 70)
    with pytest.raises(errors.PictureError):
        known.identify_many(pictures)
    assert known.identify_many([]) == []


def test_verify(known: Any) -> None:
    same, other = known.verify(noise(1), near(1)), known.verify(noise(1), noise(2))
    assert (same.same, other.same, same.target_fpir) == (True, False, 0.1)
    assert same.distance < other.distance
    assert known.verify_subject(near(1), "s1").subject == "s1"


def test_evidence(known: Any, tmp_path: Path) -> None:
    sheet = known.explain(near(1), k=1)
    assert sheet.png()[:4] == b"\x89PNG"
    sheet.save(tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes()[:4] == b"\x89PNG"


def test_change_subjects(empty: Any) -> None:
    for number, name in enumerate(("a", "b", "c")):
        empty.enroll(name, noise(number))
    assert empty.rename("a", "d") is None
    merge = empty.merge("d", "b")
    (record,) = empty.merges()
    assert (record.number, record.source, record.into, record.moved) == (merge, "d", "b", 1)
    assert empty.unmerge(merge) == "d"
    (example,) = empty.examples("d")
    moved = empty.move_example(example.number, "new")
    assert [one.number for one in empty.examples("new")] == [moved]
    assert empty.remove_example(moved) == "new"
    assert empty.remove("b") == 1
    assert list(empty) == ["c"]


def test_the_audit_log(empty: Any) -> None:
    for number in range(3):
        empty.enroll(f"s{number}", noise(number))
    empty.remove("s0")
    newest = empty.audit(limit=2)
    assert [(one.action, one.subject, one.subject_number, one.examples) for one in newest] == [
        ("remove", None, 1, 1),
        ("enroll", "s2", 3, 1),
    ]
    assert [one.subject for one in empty.audit(before=newest[-1].number)] == ["s1", None]
    assert [one.subject for one in empty.audit("s2")] == ["s2"]
    assert newest[0].who
    assert newest[0].time < "9"
    with pytest.raises(errors.SubjectNotFound):
        empty.audit("s0")


def test_odd_names(empty: Any) -> None:
    for number, name in enumerate(ODD_NAMES):
        empty.enroll(name, noise(number))
        assert name in empty
        assert empty.subject(name).name == name
        assert empty.verify_subject(noise(number), name).subject == name
        assert len(empty.examples(name)) == 1
    assert set(empty) == set(ODD_NAMES)
    for name in ODD_NAMES:
        assert empty.remove(name) == 1


CALLS: dict[str, tuple[Callable[[Any], Any], type[Exception]]] = {
    "no subject": (lambda one: one.subject("nobody"), errors.SubjectNotFound),
    "no subject, a key error": (lambda one: one.examples("nobody"), KeyError),
    "an empty name": (lambda one: one.remove(""), errors.SubjectNotFound),
    "a long name": (lambda one: one.rename("x" * 201, "y"), errors.SubjectNotFound),
    "verify nobody": (lambda one: one.verify_subject(noise(1), "nobody"), errors.SubjectNotFound),
    "reject nobody": (lambda one: one.reject(noise(1), "nobody"), errors.SubjectNotFound),
    "a name in use": (lambda one: one.rename("s1", "s2"), errors.SubjectExists),
    "a reserved name": (lambda one: one.enroll("Unknown", noise(1)), errors.InvalidName),
    "a new name that is too long": (lambda one: one.rename("s1", "x" * 201), errors.InvalidName),
    "no example": (lambda one: one.remove_example(10_000), errors.NumberNotFound),
    "a negative number": (lambda one: one.example(-1), errors.NumberNotFound),
    "no merge": (lambda one: one.unmerge(7), errors.NumberNotFound),
    "no rejection": (lambda one: one.withdraw_rejection(7), errors.NumberNotFound),
    "no picture": (lambda one: one.identify(b"no picture"), errors.NotAPicture),
    "a truncated picture": (lambda one: one.identify(png(noise(1))[:300]), errors.TruncatedPicture),
    "a box outside": (
        lambda one: one.identify(Picture(png(noise(1)), "", "a", box=(5000, 0, 6000, 9))),
        errors.PictureError,
    ),
    "merged with itself": (lambda one: one.merge("s1", "s1"), errors.UsageError),
    "no candidates": (lambda one: one.identify(noise(1), k=0), errors.UsageError),
    "a rate outside": (lambda one: one.calibrate(fpir=1.5), errors.UsageError),
    "a rate that few subjects do not support": (lambda one: one.calibrate(fpir=1e-6), errors.CalibrationError),
    "another order": (lambda one: one.find_subjects(sort="size"), errors.UsageError),
    "not a name": (lambda one: one.subject(7), errors.UsageError),
}


@pytest.mark.parametrize("kind", KINDS)
def test_errors(kind: str, shop: Path) -> None:
    """Each has its class and one sentence."""
    with opened(kind, shop) as one:
        for title, (call, wanted) in CALLS.items():
            with pytest.raises(wanted) as caught:
                call(one)
            assert isinstance(caught.value, errors.SemelhaError), title
            assert str(caught.value), title


NOT_OVER_HTTP = {
    "create": "a server serves what exists",
    "open": "a client is made with an address",
    "enroll_vectors": "a server embeds pictures itself",
    "enroll_vector_file": "a server embeds pictures itself",
    "identify_vectors": "a server embeds pictures itself",
    "embed_probes": "a part of the server",
    "identify_probes": "a part of the server",
    "keep_for_review": "the server does it with its setting keep_reviews",
    "review_state": "a part of the server",
    "verify_probe": "a part of the server",
    "mismatch": "there is no endpoint",
    "find_examples": "examples gets all pages",
    "remove_all": "there is no endpoint",
    "flush": "the server does it when it stops",
    "index_stats": "there is no endpoint",
}


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_calls_have_the_parameters_of_those_of_a_gallery(client: type) -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(Gallery) - set(NOT_OVER_HTTP) == public(client) - {"subject_count", "has_subject"}
    for name in public(client) - {"subject_count", "has_subject", "calibration", "revision"}:
        ours, wanted = (list(inspect.signature(getattr(kind, name)).parameters.values()) for kind in (client, Gallery))
        if name == "calibrate":
            wanted = [one for one in wanted if one.name not in ("strangers", "confirmed")]
        assert [(one.name, one.default, one.kind) for one in ours] == [
            (one.name, one.default, one.kind) for one in wanted
        ]


def test_a_server_process(tiny: Model, tmp_path: Path) -> None:
    """With keys, by name of the gallery, over a connection; and after it has stopped."""
    Gallery.create(tmp_path / "my shop", tiny).close()
    config = tmp_path / "server.toml"
    config.write_text("require_keys = true\n")
    keys = KeyFile(tmp_path / "keys.json")
    (_, key), (_, reading) = keys.create("app", "admin"), keys.create("till", "read")
    with ExitStack() as stack:
        process, address = stack.enter_context(server(tmp_path / "my shop", "--config", config, tmp_path=tmp_path))
        client = stack.enter_context(Client(address, key=key, gallery="my shop", retries=1))
        assert client.enroll("a/b", [noise(1), noise(2)]).added == 2
        assert client.identify(near(1)).subject == "a/b"
        assert (len(client), client.example_count(), client.revision > 0) == (1, 2, True)
        assert key not in repr(client)
        with Client(f"{address}/", key=reading) as reader:
            assert list(reader) == ["a/b"]
            with pytest.raises(errors.AccessRefused, match="enroll"):
                reader.remove("a/b")
        with Client(address) as stranger, pytest.raises(errors.AccessRefused, match="no key"):
            stranger.subjects()
        with Client(address, key=key, gallery="other") as other, pytest.raises(errors.GalleryError, match="no gallery"):
            other.subjects()

        async def several() -> list[str | None]:
            async with AsyncClient(address, key=reading) as many:
                found = await asyncio.gather(*(many.identify(near(1)) for _ in range(8)))
            return [one.subject for one in found]

        assert asyncio.run(several()) == ["a/b"] * 8
        process.terminate()
        process.communicate(timeout=30)
        with pytest.raises(errors.ServiceUnavailable, match="does not answer"):
            client.subjects()
