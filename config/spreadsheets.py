"""CSV and XLSX, written for people's spreadsheet programs and read as what strangers send.

Out: a text that a spreadsheet program would take for a formula gets an apostrophe before it, as OWASP advises for CSV
injection, and so does one that begins as if it had got one; in: that apostrophe is taken off again. So do texts within
a text, behind what other programs part cells with: a German Excel reads our commas as text, and semicolons as theirs.
Nothing is kept in memory but a row while writing, and not more than MAX_ROWS while reading, whatever a file says.
"""

import csv
import io
import itertools
import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, BinaryIO

import tablib
from django.utils.translation import gettext as _
from import_export.formats import base_formats

MAX_BYTES = 5 * 1024 * 1024
MAX_ROWS = 5_000
MAX_COLUMNS = 100
MAX_UNPACKED_BYTES = 20 * 1024 * 1024
MAX_TAGS = 1_000_000
"""Of all that an XLSX file, which is a ZIP archive of XML, holds: a tag of four bytes becomes hundreds in memory."""
FORMULA = re.compile(r"""^(?=["']*[=+\-@\t\r])|(?<=[;\t\r\n])(?=["']*[=+\-@])""")
"""The place before what may be a formula: where a cell begins, or would begin if cells were parted otherwise."""
ESCAPED = re.compile(rf"(?:{FORMULA.pattern})'")


class Unreadable(ValueError):
    """A file that cannot be imported; its text says why."""


def escaped(value: Any) -> Any:
    """`value` so that no spreadsheet program calculates it; numbers, days and truth values are what they are."""
    return FORMULA.sub("'", value) if isinstance(value, str) else value


def unescaped(value: Any) -> Any:
    """What `escaped` was given."""
    return ESCAPED.sub("", value) if isinstance(value, str) else value


def table(lines: Iterable[Sequence[Any]]) -> tablib.Dataset:
    """Lines, the first of which names the columns. Blank ones are left out. Raises Unreadable."""
    lines = iter(lines)
    headers = [str(cell).strip() if cell is not None else "" for cell in next(lines, ())]
    while headers and not headers[-1]:
        headers.pop()
    if len(headers) > MAX_COLUMNS:
        raise Unreadable(_("The file has more than %d columns.") % MAX_COLUMNS)
    rows = []
    for number, line in enumerate(lines, 2):
        if number > MAX_ROWS + 1:
            raise Unreadable(_("The file has more than %d rows.") % MAX_ROWS)
        if any(cell not in (None, "") for cell in line[len(headers) :]):
            raise Unreadable(_("Line %d has more cells than there are columns.") % number)
        cells = [unescaped(cell) for cell in line[: len(headers)]]
        if any(cell not in (None, "") for cell in cells):
            rows.append((*cells, *itertools.repeat(None, len(headers) - len(cells))))
    return tablib.Dataset(*rows, headers=headers)


class CSV(base_formats.CSV):
    """UTF-8 with a byte order mark, by which Excel knows it; read with commas or, as of a German Excel, semicolons."""

    def create_dataset(self, in_stream: bytes, **kwargs) -> tablib.Dataset:
        try:
            text = in_stream.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Unreadable(_("The file is not UTF-8: save it as “CSV UTF-8”.")) from error
        head = text.partition("\n")[0]
        delimiter = ";" if head.count(";") > head.count(",") else ","
        try:
            return table(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
        except csv.Error as error:
            raise Unreadable(_("The file is no CSV: a quotation mark is missing, or one too many.")) from error

    def write(self, file: BinaryIO, rows: Iterable[Sequence[Any]]) -> None:
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        csv.writer(text).writerows([escaped(text_of(cell)) for cell in row] for row in rows)
        text.detach()


class XLSX(base_formats.XLSX):
    """The first sheet of a workbook. A formula is refused: what it gives is not in the file for sure."""

    def create_dataset(self, in_stream: bytes) -> tablib.Dataset:
        import openpyxl

        try:
            with zipfile.ZipFile(io.BytesIO(in_stream)) as archive:
                # A member is read no further than the directory says, so the directory cannot lie.
                if sum(member.file_size for member in archive.infolist()) > MAX_UNPACKED_BYTES:
                    raise Unreadable(_("The file unpacks to more than %d MB.") % (MAX_UNPACKED_BYTES // 1024**2))
                if sum(archive.read(member).count(b"<") for member in archive.infolist()) > MAX_TAGS:
                    raise Unreadable(_("The file holds more than a list of %d rows can need.") % MAX_ROWS)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # broken, or encrypted
            raise Unreadable(_("The file is no XLSX.")) from error
        book = openpyxl.load_workbook(io.BytesIO(in_stream), read_only=True)
        if not book.worksheets:
            raise Unreadable(_("The file has no sheet."))
        # A sheet may claim a million rows and columns; no more are looked at than would be refused.
        lines = book.worksheets[0].iter_rows(max_row=MAX_ROWS + 2, max_col=MAX_COLUMNS + 1)
        return table([self._value(cell) for cell in line] for line in lines)

    @staticmethod
    def _value(cell: Any) -> Any:
        if cell.data_type == "f":
            raise Unreadable(_("Cell %s holds a formula: paste its value instead.") % cell.coordinate)
        return cell.value

    def write(self, file: BinaryIO, rows: Iterable[Sequence[Any]]) -> None:
        from openpyxl import Workbook
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

        book = Workbook(write_only=True)
        sheet = book.create_sheet()
        for row in rows:
            sheet.append([
                ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", cell) if isinstance(cell, str) else cell
                for cell in (escaped(_cell(cell)) for cell in row)
            ])  # fmt: skip
        book.save(file)


FORMATS = [CSV, XLSX]


def text_of(value: Any) -> Any:
    """A moment as ISO 8601 in UTC, a truth value as the API writes it."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case int() | float() | Decimal():
            return value
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
    return str(value)


def _cell(value: Any) -> Any:
    """What Excel has a type for as such (its moments know no time zone: they are in UTC), the rest as text."""
    match value:
        case None | bool() | int() | float() | Decimal():
            return value
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None, microsecond=0)
        case date():
            return value
    return text_of(value)
