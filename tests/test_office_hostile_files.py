"""What is uploaded is anybody's: each file is taken or refused with a reason, quickly, and never by a 500."""

import csv
import io
import zipfile

import openpyxl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openpyxl.utils import get_column_letter

from config.spreadsheets import CSV as Csv
from config.spreadsheets import MAX_ROWS, Unreadable, escaped, table, unescaped
from tenants.models import Contact, Tenant
from tests.make import make_tenant, make_user
from tests.test_office_files import CSV, XLSX, address, upload

pytestmark = pytest.mark.django_db
HEAD = "firstName,lastName,email,tenantKey"
SHEET = "xl/worksheets/sheet1.xml"
NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.fixture
def office(client):
    client.force_login(make_user(is_staff=True, is_superuser=True))
    make_tenant(key="acme")
    return client


def refusal(office, content: str | bytes, kind: str = CSV, model=Contact) -> str:
    """What the page says to a file; nothing is written, and nothing can be confirmed."""
    page = upload(office, model, content, kind)
    assert page.status_code == 200
    assert "confirm_form" not in page.context
    assert not Contact.objects.exists()
    text = page.content.decode()
    assert "Traceback" not in text
    return text


def workbook(**replaced: str) -> bytes:
    """A small workbook, parts of which are replaced."""
    book = openpyxl.Workbook()
    book.active.append(HEAD.split(","))
    book.active.append(["A", "B", "a@x.example", "acme"])
    book.save(made := io.BytesIO())
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(result := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, replaced.pop(name, None) or old.read(name))
        for name, content in replaced.items():
            new.writestr(name, content)
    return result.getvalue()


def sheet(rows: str, before: str = "") -> bytes:
    """A workbook whose sheet claims to be as large as can be, and holds these rows."""
    worksheet = (
        f'<worksheet xmlns="{NAMESPACE}"><dimension ref="A1:XFD1048576"/><sheetData>{rows}</sheetData></worksheet>'
    )
    return workbook(**{SHEET: before + worksheet})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The submitted file is empty."),
        (f"{HEAD}\nZoë,B,a@x.example,acme\n".encode("latin-1"), "The file is not UTF-8"),
        (f"{HEAD}\nA,B,a@x.example,acme\n".encode("utf-16"), "The file is not UTF-8"),
        ("nonsense\nA\n", "There is no column “nonsense”. There is: id, firstName"),
        ("firstName,lastName\nA,B\n", "These columns are missing: email, tenantKey."),
        ("firstName,firstName,lastName,email,tenantKey\nA,A,B,c@x.example,acme\n", "A column is there twice."),
        (f"{HEAD}\n", "No valid data to import."),
        ("\n\n\n", "No valid data to import."),
        (f"{HEAD}\nA,B,a@x.example,acme,more\n", "Line 2 has more cells than there are columns."),
        (f'{HEAD}\n"A,B,a@x.example,acme\n', "The file is no CSV"),
        (f"{HEAD}\n{'A' * 200_000},B,a@x.example,acme\n", "The file is no CSV"),
        (f"{HEAD}\nA\0,B,a@x.example,acme\n", "The text holds a character that cannot be kept."),
        (f"{HEAD}\nA\x07,B,a@x.example,acme\n", "The text holds a line break or another control character."),
        (f"{HEAD}\n{'A' * 101},B,a@x.example,acme\n", "Ensure this field has no more than 100 characters."),
        (f"id,firstName\n1,A\n{'9' * 5000},A\n", "There is no such object."),
        (HEAD + "\nA,B,a@x.example,acme" * (MAX_ROWS + 1), f"The file has more than {MAX_ROWS} rows."),
        ("," * 1_000_000 + "x\n" + "a\n" * 500_000, "The file has more than 100 columns."),
        (b"x" * (10 * 1024 * 1024), "The file is larger than 5 MB."),
        (f"{HEAD}\n<script>alert(1)</script>,B,nonsense,acme\n", "&lt;script&gt;"),
    ],
    ids=range(19),
)
def test_a_csv_that_cannot_be_imported_is_refused_with_its_reason(office, content, said):
    assert said in refusal(office, content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no archive", "The file is no XLSX."),
        (workbook()[:-200], "The file is no XLSX."),
        (workbook(**{"xl/workbook.xml": "<broken"}), "The file cannot be read."),
        (workbook(**{SHEET: "<broken"}), "The file cannot be read."),
        (workbook(**{"xl/media/bomb": "0" * (21 * 1024 * 1024)}), "The file unpacks to more than 20 MB."),
        (sheet(f"<row>{'<c/>' * 1_000_001}</row>"), "The file holds more than a list"),
        (sheet('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'), f"The file has more than {MAX_ROWS} rows."),
        (sheet('<row r="1"><c r="A1" t="str"><v>&b;</v></c></row>', ENTITIES), "The file cannot be read."),
        (sheet('<row r="1"><c r="A1"><f>1+1</f><v>2</v></c></row>'), "Cell A1 holds a formula"),
    ],
    ids=range(9),
)  # fmt: skip
def test_an_xlsx_that_cannot_be_imported_is_refused_with_its_reason(office, content, said):
    assert said in refusal(office, content, XLSX)


def test_a_small_workbook_is_taken(office):
    assert "1 to add" in upload(office, Contact, workbook(), XLSX).content.decode()


def test_numbers_and_wide_sheets_of_a_workbook_are_read_as_they_look(office):
    book = openpyxl.Workbook()
    book.active.append([*HEAD.split(","), None, None])
    book.active.append([2024, 3.0, "a@x.example", "acme"])
    book.active[f"{get_column_letter(90)}4"] = ""
    book.save(file := io.BytesIO())
    page = upload(office, Contact, file.getvalue(), XLSX)
    assert [str(cell) for cell in page.context["result"].rows[0].diff][1:3] == ["2024", "3"]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"import_file_name": "0" * 32, "original_file_name": "x", "format": "0", "resource": "0"},
        {"import_file_name": "../../etc/passwd", "original_file_name": "x", "format": "0"},
        {"import_file_name": "x", "original_file_name": "x", "format": "99", "resource": "99"},
        {"import_file_name": "x", "original_file_name": "x", "format": "x", "resource": "x"},
    ],
    ids=range(5),
)
def test_a_confirmation_of_nothing_is_refused(office, sent):
    for model in (Contact, Tenant):
        page = office.post(address(model, "process_import"), sent)
        assert (page.status_code, page.context["confirm_form"].is_valid()) == (200, False)


@pytest.mark.parametrize(
    ("kind", "other", "said"), [(CSV, XLSX, "The file is no XLSX."), (XLSX, CSV, "The file is not UTF-8")]
)
def test_a_confirmation_in_another_format_is_refused_with_its_reason(office, kind, other, said):
    content = f"{HEAD}\nA,B,a@x.example,acme\n" if kind == CSV else workbook()
    sent = upload(office, Contact, content, kind).context["confirm_form"].initial
    page = office.post(address(Contact, "process_import"), {**sent, "format": other}, follow=True)
    assert said in page.content.decode()
    assert not Contact.objects.exists()


@pytest.mark.parametrize("text", ["=1+1", "+49 30 1", "-1", "@SUM(A1)", "\tx", "\rx", "'=1", "''+1"])
def test_an_escape_is_taken_back(text):
    assert escaped(text) == f"'{text}"
    assert unescaped(escaped(text)) == text
    assert unescaped("'quoted'") == "'quoted'"


@given(st.text("=+-@\t\r\n;,\"'a "))
@example("Acme;=cmd|' /C calc'!A0;")
def test_no_cell_is_a_formula_whatever_parts_the_cells_and_all_come_back_as_they_were(text):
    Csv().write(file := io.BytesIO(), [["id", text, "end"]])
    for delimiter in ",;\t":
        lines = csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline=""), delimiter=delimiter)
        assert not [cell for line in lines for cell in line if cell.startswith(("=", "+", "-", "@"))]
    assert unescaped(escaped(text)) == text


def test_blank_lines_are_left_out_and_short_ones_filled_up():
    assert table([["a", "b", ""], [], ["1"], ["", ""]]).dict == [{"a": "1", "b": None}]
    with pytest.raises(Unreadable):
        Csv().create_dataset(b"\xff\xfe")
