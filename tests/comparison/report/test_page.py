"""The report of a comparison: one file that loads nothing, escapes text, embeds each picture once, and tells all."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.comparison.made import CLASSES, comparison
from tests.pages import Page

from semelha.comparison import Comparison
from semelha.comparison.report import write_comparison_report
from semelha.comparison.report.disagreement import disagreements
from semelha.comparison.result import Difference, Figure, ShownPicture
from semelha.errors import SemelhaError, UsageError
from semelha.images import Dataset, Picture


def made(folder: Path) -> Comparison:
    """Twelve pictures in files, of which one is gone, and texts that are markup."""
    random = np.random.default_rng(0)
    shown = []
    for number in range(12):
        file = folder / f"{number}.png"
        if number != 4:
            Image.fromarray(random.integers(0, 255, (200, 300, 3), np.uint8)).save(file)
        label = CLASSES[number // 3]
        shown.append(ShownPicture(f"<i>{number}</i>.png", label, str(file)))
    found = comparison(shown)
    named = replace(found.methods[0], about="<script>alert(2)</script>", command='semelha train "$(x)" <b>')
    methods = (named, *found.methods[1:])
    machine = "<img src=x onerror=alert(3)>"
    return replace(found, methods=methods, machine=machine, versions={"<u>": "{1}"})


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("comparison")
    return write_comparison_report(made(folder), folder / "r.html", language="en").read_text("utf-8")


def test_the_page_loads_nothing_and_runs_nothing(html: str) -> None:
    page = Page(html)
    for name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "srcset", "data", "poster"):
            assert value.startswith(("data:", "#")), f"{name}={value[:60]}"
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.findall(r"url\((?!['\"]?(?:#|data:))", html)


def test_text_is_escaped(html: str) -> None:
    page = Page(html)
    for text in ("<script>alert(2)</script>", "<img src=x onerror=alert(3)>", "Ångström <b>", '"$(x)" <b>', "<u> {1}"):
        assert text in page.text
    assert not {"i", "u"} & set(page.tags) - {"i"}  # <i> is insufficient data
    assert ("title", "<i>1</i>.png") in page.attributes


def test_it_begins_with_the_recommendation_and_its_command(html: str) -> None:
    main = html.partition("<main>")[2].lstrip()
    assert main.startswith('<section class="verdict ')
    text = Page(main.partition("</section>")[0] + "</section>").text
    assert "Take lda on the model" in text
    assert "semelha train photos --out model --method lda --on efficientnet-lite0" in text


def test_every_method_is_told_about(html: str, tmp_path: Path) -> None:
    """The measured ones with their figures, the others with the reason."""
    page = Page(html)
    for one in made(tmp_path).methods:
        assert one.name in page.text
        assert one.about in page.text
        assert one.reason in page.text
    table = html.partition('<table class="methods">')[2].partition("</table>")[0]
    assert table.count("<tr") == 4
    assert table.count("recommended") == 1
    assert re.search(r"91\.0<span>%</span><small>86\.0–95\.0</small>", table)
    assert "0.012" in table
    assert "&lt;0.001" in table
    assert "insufficient data" in table
    assert page.tags.count("table") == 5  # methods, disagreement, rounds, ways, folds


def test_right_and_wrong_are_told_by_more_than_color(html: str) -> None:
    for kind, mark in (("right", "✓ right"), ("wrong", "✗ wrong")):
        figures = re.findall(rf'<figure class="{kind}">.*?</figure>', html)
        assert len(figures) > 10
        assert all(f"</b>{mark}" in one for one in figures)
        assert all(f", {mark}" in one for one in figures if "aria-label" in one)


def test_each_picture_is_embedded_once_and_small(html: str) -> None:
    images = re.findall(r'<image id="p(\d+)" href="data:image/webp;base64,([^"]+)"', html)
    assert len(images) == len(dict(images)) <= 11
    assert all(len(data) < 20_000 for _, data in images)
    used = re.findall(r'<use href="#p(\d+)"', html)
    assert set(used) == set(dict(images))
    assert len(used) > len(images)


def test_pictures_that_are_gone_are_counted(html: str) -> None:
    assert "1 picture cannot be read any more; its place is empty." in Page(html).text
    assert html.count('<span class="gone"') > 1


def test_pictures_are_taken_from_the_data_set(tmp_path: Path) -> None:
    """Such as pixels, which have no file."""
    found = comparison()
    pixels = np.zeros((20, 20, 3), np.uint8)
    data = Dataset("d", tuple(Picture(pixels, one.label, name=one.name) for one in found.pictures))
    text = write_comparison_report(found, tmp_path / "r.html", dataset=data, language="en").read_text("utf-8")
    assert "cannot be read any more" not in text
    without = write_comparison_report(found, tmp_path / "r.html", language="en").read_text("utf-8")
    assert "12 pictures cannot be read any more" in without
    assert "<image" not in without


def test_a_file_that_is_no_picture_has_an_empty_place(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("text")
    shown = [replace(one, path=str(tmp_path / "text.png")) for one in comparison().pictures]
    shown[0] = replace(shown[0], path=str(tmp_path))
    text = write_comparison_report(comparison(shown), tmp_path / "r.html", language="en").read_text("utf-8")
    assert "12 pictures cannot be read any more" in text


def test_disagreement_is_counted() -> None:
    found = comparison()
    first = disagreements(found)[0]
    assert first.count == max(one.count for one in disagreements(found))
    for query in first.only_first:
        assert found.is_right(first.first, query)
        assert not found.is_right(first.second, query)
    for query in first.only_second:
        assert found.is_right(first.second, query)
        assert not found.is_right(first.first, query)


def test_budget_premise_and_measurement_are_told(html: str) -> None:
    text = Page(html).text
    for said in (
        "29 min of 30 min were used. 1 method was cut after a round",
        "10 classes are added to 20, with at most 5 pictures of each. Retraining a classifier took 41 s and named",
        "named 78 of 100 pictures of the new classes right; enrolling",
        "enrolling took 900 ms, and named 83 of 100 right.",
        "30 classes are tested in 3 folds",
        "20 in each",
        "10 other classes are for choices alone",
        "Seed of all random draws: 0.",
        "used: 40 pictures are 12 bursts",
        "2 skipped files",
        "cut in round 1",
    ):
        assert said in text, said


def test_it_is_in_portuguese(tmp_path: Path) -> None:
    text = write_comparison_report(made(tmp_path), tmp_path / "r.html", language="pt-BR").read_text("utf-8")
    assert '<html lang="pt-BR"' in text
    main = text.partition("<main>")[2].partition("</main>")[0]
    page = Page(re.sub(r'<span lang="en">.*?</span>', "", main))
    assert "Todos os métodos" in page.text
    assert re.search(r"91,0<span>%</span><small>86,0–95,0</small>", text)
    for english in ("right", "query", "insufficient", "training", "classes are", "recommended", "retrain a", "nearest"):
        assert english not in page.text, english


def test_hardly_anything_was_measured(tmp_path: Path) -> None:
    """No method, no query, no budget, no premise; figures without intervals."""
    found = comparison()
    none = replace(
        found,
        methods=found.methods[3:],
        recommendation=None,
        premise=None,
        queries=(),
        pictures=(),
        budget=replace(found.budget, seconds=None, rounds=()),
        data=replace(found.data, fold_classes=(), learned_classes=(), remarks=(), skipped=0),
    )
    text = Page(write_comparison_report(none, tmp_path / "r.html", language="en").read_text("utf-8")).text
    assert "No method could be measured" in text
    assert "without a limit" in text
    bare = replace(found.methods[0], r_at_1=Figure(0.9), map_at_r=Figure(0.5), fnir_at_fpir=None, difference=None)
    bare = replace(bare, seconds=None, milliseconds=None, dim=None, size=None, nearest=())
    other = replace(found.methods[1], difference=Difference(-0.1, None, None, 1.0), nearest=())
    some = replace(found, methods=(bare, other), premise=None)
    write_comparison_report(some, tmp_path / "r.html", language="en")


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="comparison is"):
        write_comparison_report("comparison", tmp_path / "r.html")
    with pytest.raises(UsageError, match=r"language.*en, pt-BR"):
        write_comparison_report(comparison(), tmp_path / "r.html", language="fr")
    (tmp_path / "file").touch()
    with pytest.raises(SemelhaError, match="cannot be written"):
        write_comparison_report(comparison(), tmp_path / "file" / "r.html")


def test_a_picture_that_is_part_of_a_file_is_shown_so(tmp_path: Path) -> None:
    """The thumbnail is that of the part, also when the data set is not passed."""
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[:, 50:] = 255
    Image.fromarray(pixels).save(tmp_path / "two.png")
    parts = [(0, 0, 50, 100), (50, 0, 100, 100), None]
    shown = [ShownPicture(f"{n}", CLASSES[n // 3], str(tmp_path / "two.png"), parts[n % 3]) for n in range(12)]
    found = comparison(shown)
    assert Comparison.from_json(json.dumps(found.to_json())) == found
    html = write_comparison_report(found, tmp_path / "r.html", language="en").read_text("utf-8")
    store = html.partition('<svg class="store"')[2]
    assert len(set(re.findall(r'href="(data:[^"]+)"', store))) == 3
