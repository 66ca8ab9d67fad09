"""How an invoice or credit note looks on paper. Draws from what the document has frozen, and calls nobody.

The fonts in fonts/ (Noto Sans, its licence beside it) hold the Latin, Greek and Cyrillic letters and the signs of
currencies; what they lack is seen to be missing. What people have written is text here: reportlab's markup is escaped
in `_text`, where all of it passes.
"""

import datetime
import io
import unicodedata
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import escape

from django.conf import settings
from django.utils.translation import gettext as _
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import getFont, registerFont, registerFontFamily, stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    Image,
    KeepTogether,
    LongTable,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from billing.logo import is_picture
from billing.models import CreditNote, Invoice
from billing.money import minor_units, shown, written
from billing.periods import ONE_DAY, local_date
from billing.texts import day
from config.language import in_language

FONTS = Path(__file__).resolve().parent / "fonts"
REGULAR, BOLD, SIGNS = "NotoSans-Regular", "NotoSans-Bold", "NotoSansCurrencySigns-Regular"
MARGIN, FOOT = 20 * mm, 22 * mm
WIDTH = A4[0] - 2 * MARGIN
GREY, RULE = HexColor("#5b6470"), HexColor("#d5d9de")
LOGO_BOX = (60 * mm, 18 * mm)
MOST_ROWS = 10
MISSING = "\N{REPLACEMENT CHARACTER}"


@lru_cache(maxsize=1)
def _register_fonts() -> None:
    for name in (REGULAR, BOLD, SIGNS, "NotoSansCurrencySigns-Bold"):
        registerFont(TTFont(name, FONTS / f"{name}.ttf"))
    registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD)


def _style(name: str, size: float = 9, *, font: str = REGULAR, **kwargs) -> ParagraphStyle:
    return ParagraphStyle(name, fontName=font, fontSize=size, leading=size * 1.4, **kwargs)


PLAIN = _style("plain")
SMALL = _style("small", 8, textColor=GREY)
STRONG = _style("strong", font=BOLD)
RIGHT = _style("right", alignment=TA_RIGHT)
TITLE = _style("title", 20, font=BOLD, alignment=TA_RIGHT)


def render(document: Invoice | CreditNote, *, colour: str) -> bytes:
    """The document as a PDF of as many A4 pages as it takes, in the buyer's language, set off in `colour` (#rrggbb)."""
    with in_language(document.buyer.get("language", "")):
        return _render(document, HexColor(colour))


def _render(document: Invoice | CreditNote, accent: Color) -> bytes:
    _register_fonts()
    file = io.BytesIO()
    template = BaseDocTemplate(
        file, pagesize=A4, leftMargin=MARGIN, rightMargin=MARGIN, topMargin=MARGIN, bottomMargin=FOOT,
        title=f"{_kind(document)} {document.number}", author=document.seller["name"], invariant=1,
    )  # fmt: skip
    frame = Frame(MARGIN, FOOT, WIDTH, A4[1] - MARGIN - FOOT, leftPadding=0, rightPadding=0, topPadding=0)
    template.addPageTemplates(PageTemplate(frames=[frame]))
    story: list[Flowable] = [
        _head(document, accent),
        Spacer(0, 10 * mm),
        _parties(document),
        Spacer(0, 10 * mm),
        _lines(document, accent),
        Spacer(0, 4 * mm),
        KeepTogether([_totals(document, accent), Spacer(0, 8 * mm), *_terms(document)]),
    ]
    template.build(story, canvasmaker=_numbered(_footer(document)))
    return file.getvalue()


def _kind(document: Invoice | CreditNote) -> str:
    return _("Invoice") if isinstance(document, Invoice) else _("Credit note")


def _head(document: Invoice | CreditNote, accent: Color) -> Flowable:
    """The seller's logo, or its name where it has none that can be drawn, and what this is."""
    if settings.SELLER_LOGO and is_picture(settings.SELLER_LOGO):
        image = Image(settings.SELLER_LOGO)
        scale = min(LOGO_BOX[0] / image.imageWidth, LOGO_BOX[1] / image.imageHeight)
        image.drawWidth, image.drawHeight, image.hAlign = image.imageWidth * scale, image.imageHeight * scale, "LEFT"
        left: Flowable = image
    else:
        left = Paragraph(_text(document.seller["name"]), _style("seller", 14, font=BOLD, textColor=accent))
    table = Table([[left, Paragraph(_kind(document), TITLE)]], colWidths=[WIDTH * 0.5, WIDTH * 0.5])
    table.setStyle(TableStyle([
        *_flush(0), ("VALIGN", (0, 0), (-1, -1), "MIDDLE"), ("BOTTOMPADDING", (0, 0), (-1, -1), 8),
        ("LINEBELOW", (0, 0), (-1, 0), 1.5, accent),
    ]))  # fmt: skip
    return table


def _parties(document: Invoice | CreditNote) -> Flowable:
    """Seller and buyer, and the document's number and days."""
    facts = [(_("Number"), document.number), (_("Date"), _day(document.issued_on))]
    if isinstance(document, Invoice):
        days = {"first": _day(document.start_date), "last": day(_last_day(document))}
        facts += [(_("Period"), _("%(first)s to %(last)s") % days)] if document.names_days else []
        facts += [(_("Due"), _day(document.due_date))]
    else:
        facts += [(_("Invoice"), document.invoice.number), (_("Dated"), _day(document.invoice.issued_on))]
    rows = [[Paragraph(label, SMALL), Paragraph(_text(value), RIGHT)] for label, value in facts]
    facts_table = Table(rows, colWidths=[WIDTH * 0.1, WIDTH * 0.26])
    facts_table.setStyle(TableStyle([*_flush(1), ("VALIGN", (0, 0), (-1, -1), "TOP")]))
    columns = [
        [Paragraph(_("From"), SMALL), *_party(document.seller)],
        [Paragraph(_("Bill to"), SMALL), *_party(document.buyer)],
    ]
    table = Table([[*columns, facts_table]], colWidths=[WIDTH * 0.31, WIDTH * 0.33, WIDTH * 0.36])
    table.setStyle(TableStyle([*_flush(0), ("VALIGN", (0, 0), (-1, -1), "TOP"), ("RIGHTPADDING", (0, 0), (1, 0), 10)]))
    return table


def _last_day(invoice: Invoice) -> datetime.date:
    """A period's end is the first day after it."""
    start, end = local_date(invoice.start_date), local_date(invoice.end_date)
    return end - ONE_DAY if end > start else start


def _party(party: dict[str, str]) -> list[Flowable]:
    rest = [*_rows(party["address"]), party["country"]]
    if party["taxId"]:
        rest.append(_tax_id(party["taxId"]))
    return [Paragraph(_text(party["name"]), STRONG), *(Paragraph(_text(row), PLAIN) for row in rest if row.strip())]


def _tax_id(tax_id: str) -> str:
    return _("Tax ID %s") % tax_id


def _rows(text: str) -> list[str]:
    """The lines of `text` that are not blank. Those beyond MOST_ROWS run on in the last, so that it fits a page."""
    rows = [row for row in text.splitlines() if row.strip()]
    return rows if len(rows) <= MOST_ROWS else [*rows[: MOST_ROWS - 1], ", ".join(rows[MOST_ROWS - 1 :])]


def _lines(document: Invoice | CreditNote, accent: Color) -> Flowable:
    discounted = any(Decimal(line["discount_percent"]) for line in document.lines)
    heads = [_("Description"), _("Quantity"), _("Unit price")]
    heads += [*([_("Discount")] if discounted else []), _("Tax"), _("Amount")]
    rows: list[list] = [heads]
    for line in document.lines:
        rows.append([
            Paragraph(_text("\n".join(_rows(line["description"]))), PLAIN),
            written(line["quantity"]),
            _amount(line["unit_price"], document),
            *([f"{written(line['discount_percent'])} %"] if discounted else []),
            f"{written(line['tax_rate'])} %",
            _amount(line["amount"], document),
        ])  # fmt: skip
    widths = [_width(column, 9, least=16 * mm) for column in zip(*(row[1:] for row in rows), strict=True)]
    table = LongTable(rows, colWidths=[WIDTH - sum(widths), *widths], repeatRows=1)
    table.setStyle(TableStyle([
        ("FONT", (0, 0), (-1, -1), REGULAR, 9), ("FONT", (0, 0), (-1, 0), BOLD, 8),
        ("TEXTCOLOR", (0, 0), (-1, 0), accent), ("LINEBELOW", (0, 0), (-1, 0), 0.8, accent),
        ("LINEBELOW", (0, 1), (-1, -1), 0.3, RULE), ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 4), ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
    ]))  # fmt: skip
    return table


def _totals(document: Invoice | CreditNote, accent: Color) -> Flowable:
    """The subtotal, the tax of each rate, their sum where there are several, and the total."""
    rows = [[_("Subtotal"), _amount(document.subtotal, document)]]
    for tax in document.taxes:
        base = {"rate": written(tax["rate"]), "net": _amount(tax["net"], document)}
        rows.append([_("Tax %(rate)s %% on %(net)s") % base, _amount(tax["tax"], document)])
    if len(document.taxes) > 1:
        rows.append([_("Tax in total"), _amount(document.tax_total, document)])
    total = _("Total") if isinstance(document, Invoice) else _("Total credited")
    rows.append([total, shown(document.amount, document.currency_code)])
    labels, amounts = zip(*rows, strict=True)
    widths = [_width(labels, 11, least=60 * mm), _width(amounts, 11, least=42 * mm)]
    table = Table(rows, colWidths=widths, hAlign="RIGHT")
    table.setStyle(TableStyle([
        ("FONT", (0, 0), (-1, -2), REGULAR, 9), ("FONT", (0, -1), (-1, -1), BOLD, 11),
        ("LINEABOVE", (0, -1), (-1, -1), 0.8, accent), ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("TOPPADDING", (0, -1), (-1, -1), 6), ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ]))  # fmt: skip
    return table


def _terms(document: Invoice | CreditNote) -> list[Flowable]:
    if isinstance(document, CreditNote):
        return [Paragraph(_text(document.reason), PLAIN)] if document.reason else []
    due = _("Please pay %(open_amount)s by %(day)s, quoting %(number)s.") % {
        "open_amount": shown(document.open_amount, document.currency_code),
        "day": _day(document.due_date),
        "number": document.number,
    }
    texts = [due if document.open_amount > 0 else "", document.seller.get("terms", "")]
    return [Paragraph(_text(text), PLAIN) for text in texts if text]


def _footer(document: Invoice | CreditNote) -> str:
    tax_id = document.seller["taxId"]
    return " · ".join(filter(None, (document.seller["name"], tax_id and _tax_id(tax_id), document.number)))


def _numbered(footer: str) -> Callable[..., Canvas]:
    """A canvas that knows, when it saves, how many pages there are."""

    class NumberedCanvas(Canvas):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.pages: list[dict] = []

        def showPage(self):  # noqa: N802  (reportlab's name)
            self.pages.append(dict(self.__dict__))
            self._startPage()

        def save(self):
            for number, page in enumerate(self.pages, start=1):
                self.__dict__.update(page)
                self._foot(_("Page %(number)s of %(count)s") % {"number": number, "count": len(self.pages)})
                super().showPage()
            super().save()

        def _foot(self, page: str) -> None:
            self.setStrokeColor(RULE)
            self.line(MARGIN, FOOT - 4 * mm, A4[0] - MARGIN, FOOT - 4 * mm)
            text = Paragraph(_text(footer), SMALL)
            text.wrap(WIDTH - 30 * mm, 0)
            text.drawOn(self, MARGIN, FOOT - 5 * mm - text.height)
            self.setFont(REGULAR, 8)
            self.setFillColor(GREY)
            self.drawRightString(A4[0] - MARGIN, FOOT - 5 * mm - 8, page)

    return NumberedCanvas


def _width(texts: Iterable[str], size: float, *, least: float) -> float:
    """Of a column that holds each of `texts` in one line, with reportlab's space beside it."""
    return max(least, *(stringWidth(text, BOLD, size) + 12 for text in texts))


def _flush(padding: float) -> list[tuple]:
    """A table without the space that reportlab puts round its cells."""
    sides = ("LEFTPADDING", "RIGHTPADDING", "TOPPADDING", "BOTTOMPADDING")
    return [(side, (0, 0), (-1, -1), 0 if side[0] in "LR" else padding) for side in sides]


def _text(value: object) -> str:
    """What people wrote, as reportlab's markup for just that: escaped, its lines kept, rare signs in their font.

    What no font has is written in another form that Unicode holds for the same (a fullwidth ￥ as ¥), else as �.
    """
    letters, signs = getFont(REGULAR).face.charToGlyph, getFont(SIGNS).face.charToGlyph

    def written(character: str) -> str:
        if character == "\n":
            return "<br/>"
        if ord(character) in letters or character.isspace():
            return escape(character)
        if ord(character) in signs:
            return f'<font name="{SIGNS}">{character}</font>'
        other = unicodedata.normalize("NFKC", character)
        return MISSING if other == character else "".join(map(written, other))

    return "".join(map(written, unicodedata.normalize("NFC", str(value))))


def _day(moment) -> str:
    return day(local_date(moment))


def _amount(value: Decimal | str, document: Invoice | CreditNote) -> str:
    return written(value, minor_units(document.currency_code))
