"""Read tables: CSV files as spreadsheets and other programs write them, JSON lines, and Excel workbooks."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from semelha.errors import DatasetError, MissingExtra
from semelha.images.report import Report
from semelha.text import as_unicode
from semelha.untrusted import parse_json, read_bytes

MAX_BYTES = 2**30
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
JSON_LINES = (".jsonl", ".ndjson")
WORKBOOKS = (".xlsx", ".xlsm")
OTHER_WORKBOOKS = (".xls", ".ods", ".numbers")


@dataclass
class Table:
    """The header and the rows of a table, each with its line number."""

    columns: list[str]
    rows: Iterator[tuple[int, list[str]]]


def read_table(file: Path, report: Report, count_known: Callable[[list[str]], int]) -> Table:
    """Read a table; `count_known` says how many columns of a header are known, which decides between separators.

    Raises `DatasetError`, and `MissingExtra` for an Excel workbook without openpyxl.
    """
    suffix = file.suffix.lower()
    if suffix in OTHER_WORKBOOKS:
        raise DatasetError(f"{as_unicode(str(file))} is a workbook of a spreadsheet: save it as CSV (UTF-8)")
    data = read_content(file)
    if suffix in WORKBOOKS:
        return _workbook(file, data)
    text = _decoded(data, file, report)
    return _json_lines(text, file) if suffix in JSON_LINES else _separated(text, file, report, count_known)


def read_content(file: Path) -> bytes:
    """The content of a regular file of at most `MAX_BYTES`. Raises `DatasetError`."""
    try:
        return read_bytes(file, max_bytes=MAX_BYTES, error=DatasetError)
    except FileNotFoundError as error:
        raise DatasetError(f"the manifest {as_unicode(str(file))} cannot be read: {error.strerror}") from error


def _decoded(data: bytes, file: Path, report: Report) -> str:
    """The text of a manifest: in UTF-8, in UTF-16, or else in Windows' code page 1252."""
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif data[:200].count(0) > len(data[:200]) // 4:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        encoding = "cp1252"
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            name = as_unicode(str(file))
            raise DatasetError(
                f"the manifest {name} is no CSV file in UTF-8, UTF-16 or code page 1252: {error}"
            ) from error
    if encoding != "utf-8-sig":
        report.add("assumed", f"the encoding of {as_unicode(file.name)} is {encoding.upper()}")
    return text


def _separated(text: str, file: Path, report: Report, count_known: Callable[[list[str]], int]) -> Table:
    """A table with separators between the cells. The separator is the one that gives the header most known columns."""
    declared = None
    first = next(iter(io.StringIO(text, newline="")), "")  # with its end: a line feed, a carriage return, or both
    skipped = 0
    if first.strip().strip('"').lower().startswith("sep=") and len(first.strip().strip('"')) <= 5:
        declared = first.strip("\r\n").strip('"')[4:5] or "\t"
        text, skipped = text[len(first) :], 1
        report.add(
            "assumed", f"cells are separated by {DELIMITERS.get(declared, repr(declared))}, as the first line says"
        )
    header_line = next((line for line in io.StringIO(text, newline=None) if line.strip()), "")
    best = declared or ","
    if declared is None:
        headers = {each: next(csv.reader([header_line], delimiter=each), []) for each in DELIMITERS}
        best = max(DELIMITERS, key=lambda each: (count_known(headers[each]), each == ","))
        if best != ",":
            report.add("assumed", f"cells are separated by {DELIMITERS[best]}")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=best, strict=True)
    rows = _numbered(reader, skipped, file)
    columns = next((cells for _, cells in rows if any(cell.strip() for cell in cells)), [])
    return Table(columns, rows)


def _numbered(reader: Any, skipped: int, file: Path) -> Iterator[tuple[int, list[str]]]:
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = reader.line_num + skipped
            raise DatasetError(f"line {line} of {as_unicode(str(file))} is no line of a CSV file: {error}") from error
        yield reader.line_num + skipped, cells


def _json_lines(text: str, file: Path) -> Table:
    """One JSON object a line; a list or object in it is a cell of JSON."""
    records: list[tuple[int, dict[str, object]]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        records.append((number, parse_json(line, f"line {number} of {as_unicode(str(file))}", error=DatasetError)))
    columns = list(dict.fromkeys(name for _, record in records for name in record))
    rows = ((number, [as_cell(record.get(name)) for name in columns]) for number, record in records)
    return Table(columns, rows)


def as_cell(value: object) -> str:
    """The text of a value: of a whole number without a point, of a list as JSON; "" for None."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():  # Excel keeps whole numbers as floats
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, list | dict) else str(value)


def _workbook(file: Path, data: bytes) -> Table:
    """The first sheet of an Excel workbook."""
    name = as_unicode(str(file))
    try:
        import openpyxl  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise MissingExtra(
            f"{name} is an Excel workbook: save it as CSV (UTF-8), or install openpyxl (pip install openpyxl)"
        ) from error
    try:
        sheet = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True).worksheets[0]
        rows = [(number, [as_cell(value) for value in row]) for number, row in enumerate(sheet.values, 1)]
    except (BadZipFile, KeyError, ValueError, IndexError, OSError) as error:
        raise DatasetError(f"{name} is no Excel workbook that can be read: {error}") from error
    filled = [(number, cells) for number, cells in rows if any(cells)]
    return Table(filled[0][1] if filled else [], iter(filled[1:]))


def exists(path: str) -> bool:
    """Whether a path leads somewhere; False for a path that no file can have."""
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):
        return False
