"""Both catalogs have the same texts, each is used, and numbers are written as the language does."""

import copy
import pickle
import re
import string
from pathlib import Path

import pytest

import semelha
from semelha.errors import UsageError
from semelha.language import Message, Words, default_language, readable_fraction, words_in
from semelha.language.en import EN
from semelha.language.pt import PT

SOURCES = [
    path.read_text("utf-8")
    for path in sorted(Path(semelha.__file__).parent.rglob("*.py"))
    if path.parent.name != "language" or path.name == "words.py"
]


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_catalogs_have_the_same_texts_with_the_same_values() -> None:
    assert list(EN) == list(PT)
    for key, text in EN.items():
        assert type(text) is type(PT[key]), key
        forms = [text, PT[key]] if isinstance(text, str) else [*text, *PT[key]]
        if isinstance(text, str):
            assert names(text) == names(str(PT[key])), key
        else:
            assert all("{n}" in form or key.startswith("repair.") for form in forms), key
            assert names("".join(text)) == names("".join(PT[key])), key
        assert all(form.strip() == form and form for form in forms), key


def test_every_text_is_used() -> None:
    """Also those whose key is put together, such as `kind.mislabel`."""
    text = "\n".join(SOURCES).replace("'", '"')
    prefixes = {"level.", "check.level.", "compare.level.", "tune.level.", *re.findall(r'f"([a-z_]+\.)\{', text)}
    possible = [(key, [key, *(key.removeprefix(each) for each in prefixes)]) for key in EN]
    unused = [key for key, names in possible if not any(f'"{name}"' in text for name in names)]
    assert not unused


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "pt_BR.UTF-8"}, "pt-BR"),
        ({"LANG": "pt_PT"}, "pt-BR"),
        ({"LANG": "pt_BR.UTF-8", "LC_MESSAGES": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "pt_BR.UTF-8"}, "pt-BR"),
        ({"LC_ALL": "", "LANG": "pt_BR"}, "pt-BR"),
        ({"LC_ALL": "de_DE", "LC_MESSAGES": "pt_BR"}, "en"),
    ],
)
def test_the_locale_chooses_the_language(environment: dict[str, str], language: str) -> None:
    assert default_language(environment) == language


def test_another_language_is_refused() -> None:
    with pytest.raises(UsageError, match=r"language.*en, pt-BR"):
        words_in("fr")


def test_numbers_are_written_as_the_language_does() -> None:
    assert Words("en").t("report.trained_on", n=12345) == "12,345 classes trained on"
    assert Words("pt-BR").t("report.trained_on", n=12345) == "12.345 classes usadas no treino"
    assert Words("pt-BR").rate(0.005) == "0,5%"
    assert Words("pt-BR").localized("1,234.5") == "1.234,5"


def test_one_and_several() -> None:
    assert Words("en").t("clusters.pictures", n=1) == "1 picture"
    assert Words("pt-BR").t("clusters.pictures", n=2) == "2 imagens"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0"), (1.0, "100"), (0.864, "86"), (0.999, "99.9"), (0.00002, "0.01"), (0.99999, "99.99"), (0.004, "0.4")],
)
def test_a_share_is_not_rounded_to_none_or_all(share: float, text: str) -> None:
    assert Words("en").of_100(share) == text


def test_a_message_is_english_and_can_be_said_in_the_other_language() -> None:
    message = Message("note.intervals", n=1000)
    assert message.startswith("Intervals: 95%, by bootstrap with 1,000 resamples")
    for one in (message, copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
        assert Words("pt-BR").say(one).startswith("Intervalos: 95%, por bootstrap com 1.000")
    assert Words("pt-BR").say("something else") == "something else"
    assert not Words("pt-BR").knows("something else")


@pytest.mark.parametrize(
    ("share", "fraction"),
    [
        (0.01, (1, 100, True)),
        (1 / 270, (1, 270, True)),
        (2 / 21, (2, 21, True)),  # not 1 in 11, which is less
        (0.03, (3, 100, True)),
        (0.2, (1, 5, True)),
        (10 / 21, (10, 21, True)),
        (0.43, (43, 100, True)),
        (37 / 10_001, (1, 270, False)),
        (15 / 1010, (1, 67, False)),
        (1 / 12_345.6, (1, 12_300, False)),
        (10 / 33, (30, 100, False)),
        (0.0, (0, 100, True)),
        (1.0, (100, 100, True)),
    ],
)
def test_a_fraction_is_exact_or_says_that_it_is_not(share: float, fraction: tuple[int, int, bool]) -> None:
    n, of, is_exact = readable_fraction(share)
    assert (n, of, is_exact) == fraction
    assert abs(n / of - share) <= (1e-9 if is_exact else 0.05 * share)


def test_an_estimate_is_a_figure_or_the_ends_of_an_interval_that_is_not_narrow() -> None:
    words = Words("en")
    assert words.estimate_of_100(0.93, 0.91, 0.95) == "93"
    assert words.estimate_of_100(0.93, 0.7, 0.95) == "70 to 95"
    assert words.estimate_of_100(0.5, 0.5, 0.5) == "50"
