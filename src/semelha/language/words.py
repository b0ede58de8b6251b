"""Look up texts in the catalog of a language, and write numbers as the language does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from semelha.arguments import check_choice
from semelha.language.en import EN
from semelha.language.pt import PT

LANGUAGES = ("en", "pt-BR")
CATALOGS = {"en": EN, "pt-BR": PT}
NARROW = 0.05  # width of an interval up to which the figure alone is given
UNITS_OF_TIME = (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
UNITS_OF_SIZE = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))
POINTS: dict[str, dict[int, int]] = {"en": {}, "pt-BR": str.maketrans(".,", ",.")}  # of decimals and thousands
SIMPLE = 30  # the largest denominator of a fraction that is read at a glance
LOCALES = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set decides, as in POSIX


def default_language(environment: Mapping[str, str] = os.environ) -> str:
    """The language of the locale: "pt-BR" for any Portuguese one, otherwise "en"."""
    chosen = next((environment[name] for name in LOCALES if environment.get(name)), "")
    return "pt-BR" if chosen.lower().startswith("pt") else "en"


def words_in(language: str | None) -> Words:
    """The texts of a language; None is that of the locale.

    Raises `UsageError` if there are no texts in the language.
    """
    if language is None:
        return Words(default_language())
    check_choice("language", language, LANGUAGES)
    return Words(language)


def readable_fraction(share: float) -> tuple[int, int, bool]:
    """A share as a numerator and a denominator, and whether it is exactly that.

    Simple fractions, one in any number, and whole parts of 100 are exact: 2 in 21, 1 in 200, 43 in 100. Other shares
    up to 0.1 become about one in a number of at most three digits that count, and larger ones about a part of 100.
    """
    if not 0 < share < 1:
        return (0 if share <= 0 else 100), 100, True
    inverse = round(1 / share)
    simple = [(round(share * of), of) for of in range(2, SIMPLE + 1)]
    for n, of in (*simple, (1, inverse), (round(100 * share), 100)):
        if n and abs(n / of / share - 1) < 1e-6:
            return n, of, True
    if share > 0.1:
        return round(100 * share), 100, False
    return 1, round(float(f"{1 / share:.3g}")), False


@dataclass(frozen=True)
class Words:
    """The texts of one language."""

    language: str

    def t(self, key: str, **values: object) -> str:
        """A text with its values; `n` chooses between one and several. Whole numbers get thousands separators."""
        found = CATALOGS[self.language][key]
        text = found if isinstance(found, str) else found[0 if values.get("n") == 1 else 1]
        return text.format(**{name: self._shown(value) for name, value in values.items()})

    def say(self, text: str) -> str:
        """A `Message` in this language; any other text as it is."""
        return self.t(text.key, **text.values) if isinstance(text, Message) else text

    def knows(self, text: str) -> bool:
        """Whether `say` returns a text in this language."""
        return self.language == "en" or isinstance(text, Message)

    def localized(self, numeral: str) -> str:
        """A numeral such as "1,234.5" as the language writes it."""
        return numeral.translate(POINTS[self.language])

    def of_100(self, share: float) -> str:
        """How many of 100 a share is, such as "86"; with decimals only if it would otherwise be rounded to 0 or 100."""
        share = round(share, 9)
        for digits in (0, 1, 2):
            text = f"{100 * share:.{digits}f}"
            if share in (0, 1) or 0 < float(text) < 100:
                return self.localized(text)
        return self.localized("0.01" if share < 0.5 else "99.99")

    def estimate_of_100(self, value: float, low: float, high: float) -> str:
        """How many of 100: the figure, or both ends of its interval if that is not narrow."""
        ends = self.of_100(low), self.of_100(high)
        if high - low <= NARROW or ends[0] == ends[1]:
            return self.of_100(value)
        return self.t("range", low=ends[0], high=ends[1])

    def rate(self, share: float) -> str:
        """A rate in percent, without trailing zeros."""
        return self.localized(f"{100 * share:g}%")

    def duration(self, seconds: float) -> str:
        """A time in the unit that fits, such as "1.2 s", to two digits or three."""
        unit, size = next((each for each in UNITS_OF_TIME if seconds >= each[1]), UNITS_OF_TIME[2])
        value = seconds / size
        return self.localized(f"{value:.0f}" if value >= 10 else f"{value:.2g}") + f" {unit}"

    def size(self, count: float) -> str:
        """A number of bytes in the unit that fits, such as "13.6 MB"."""
        unit, size = next((each for each in UNITS_OF_SIZE if count >= each[1]), UNITS_OF_SIZE[-1])
        value = count / size
        return self.localized(f"{value:.0f}" if value >= 100 else f"{value:.3g}") + f" {unit}"

    def _shown(self, value: object) -> str:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return self.localized(f"{value:,}") if is_number else str(value)


class Message(str):
    """A text in English that knows its key and values, so that `Words.say` can say it in another language."""

    key: str
    values: dict[str, object]

    def __new__(cls, key: str, **values: object) -> Message:
        self = super().__new__(cls, Words("en").t(key, **values))
        self.key, self.values = key, values
        return self

    def __reduce__(self) -> tuple[object, ...]:  # copies and pickles are made of the key
        return _message, (self.key, self.values)


def _message(key: str, values: dict[str, object]) -> Message:
    return Message(key, **values)
