"""What was used, assumed, ignored and left out when a data set was read: one remark for each kind, with its items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["used", "assumed", "ignored", "left out", "check"]
"""What a remark is about: "check" is what the owner of the data should check."""
SHOWN = 3  # items that a line names
LONGEST = 200  # characters of an item in a line


@dataclass(frozen=True)
class Remark:
    """One kind of thing that happened while a data set was read.

    Parameters
    ----------
    kind : {"used", "assumed", "ignored", "left out", "check"}
    text : str
        One sentence, with the number of items.
    count : int
        Number of files, rows or names.
    items : tuple of str
        All of them, where they have names.
    """

    kind: Kind
    text: str
    count: int
    items: tuple[str, ...] = ()

    def __str__(self) -> str:
        short = (item if len(item) <= LONGEST else f"{item[:LONGEST]}…" for item in self.items[:SHOWN])
        few = ", ".join(short) + (", …" if len(self.items) > SHOWN else "")
        named = f" ({few})" if self.items else ""
        return f"{'' if self.kind == 'check' else f'{self.kind}: '}{self.text}{named}"

    def to_json(self) -> dict[str, object]:
        return {"kind": self.kind, "text": self.text, "count": self.count, "items": list(self.items)}


class Report:
    """Collects remarks while a data set is read; things of one kind and topic become one remark."""

    def __init__(self) -> None:
        self._items: dict[tuple[Kind, str], list[str]] = {}

    def add(self, kind: Kind, text: str, *items: str) -> None:
        """Add items, whose number will follow the text; or, without items, a sentence."""
        self._items.setdefault((kind, text), []).extend(items)

    def remarks(self) -> tuple[Remark, ...]:
        """The remarks, ordered by kind and then by time."""
        kinds = get_args(Kind)
        ordered = sorted(self._items.items(), key=lambda one: kinds.index(one[0][0]))
        return tuple(
            Remark(kind, f"{text}: {len(items):,}" if items else text, max(1, len(items)), tuple(items))
            for (kind, text), items in ordered
        )
