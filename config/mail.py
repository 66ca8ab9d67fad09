"""A mail from its templates, templates/mail/<name>.subject.txt, .txt and .html, and the connections mails leave by."""

import time
from collections import deque
from dataclasses import dataclass

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string

from config.branding import brand
from config.language import in_language

TURNS = dict.fromkeys(map(ord, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
"""Marks of direction that hold until they are taken back: in a name, they would turn the rest of our sentence round."""


def compose(name: str, *, to: str, language: str = "", **context) -> EmailMultiAlternatives:
    """The mail `name` to one address, as text and HTML; the subject on a single line (RFC 5322, section 2.2).

    Where `language` is none of LANGUAGES, it is in the service's own.
    """
    context |= {"app_name": settings.APP_NAME, "public_url": settings.PUBLIC_URL, "brand": brand()}

    def rendered(kind: str) -> str:
        return render_to_string(f"mail/{name}.{kind}", context).translate(TURNS)

    with in_language(language):
        subject, body = " ".join(rendered("subject.txt").split()), rendered("txt").strip() + "\n"
        mail = EmailMultiAlternatives(subject=subject, body=body, to=[to])
        mail.attach_alternative(rendered("html"), "text/html")
    return mail


LINE_MAILS, LINE_SECONDS = 20, 10
"""Mail servers end a connection that has brought many mails, and one that rests."""


@dataclass
class Line:
    """An open connection to the mail server."""

    connection: BaseEmailBackend
    mails: int = 0
    used: float = 0

    @property
    def holds(self) -> bool:
        return self.mails < LINE_MAILS and time.monotonic() - self.used < LINE_SECONDS


_resting: deque[Line] = deque()


def send(mail: EmailMessage) -> None:
    """Send over a connection that stays open for the next mail, until `hang_up`; from any thread.

    Connecting costs more than a mail: a handshake and a login, or a client of SES. Raises what EMAIL_BACKEND does.
    """
    line = _line()
    mail.connection = line.connection
    try:
        line.connection.open()
        mail.send()
    except BaseException:
        line.connection.close()
        raise
    line.mails, line.used = line.mails + 1, time.monotonic()
    _resting.append(line)


def _line() -> Line:
    for line in iter(_rested, None):
        if line.holds:
            return line
        line.connection.close()
    return Line(get_connection())


def hang_up() -> None:
    """Close the connections that no mail is using."""
    for line in iter(_rested, None):
        line.connection.close()


def _rested() -> Line | None:
    """The one used last."""
    try:
        return _resting.pop()
    except IndexError:
        return None
