"""The development mailbox: without EMAIL_URL every mail is a file in var/mail, to be read at /dev/mail.

It does not exist in production, nor where mails really leave. Any number of processes may write to it.
"""

import datetime
import re
import secrets
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path

from csp.constants import NONE, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from config.language import in_the_readers_language, second

KEPT, SHOWN = 500, 100
"""How many mails are kept, and how many of them are listed: the newest ones."""

# A link inside the framed mail opens a tab of its own, as in any webmail; a script does not run.
SANDBOX = ("allow-popups", "allow-popups-to-escape-sandbox")


class MailboxBackend(BaseEmailBackend):
    """Writes each mail as a file of its own, whole or not at all. Django's own puts several into one."""

    def send_messages(self, email_messages) -> int:
        settings.EMAIL_FILE_PATH.mkdir(parents=True, exist_ok=True)
        for message in email_messages:
            name = f"{time.time_ns():020}-{secrets.token_hex(4)}.eml"
            draft = settings.VAR_DIR / f"draft-{name}"
            draft.write_bytes(message.message().as_bytes())
            draft.rename(settings.EMAIL_FILE_PATH / name)
        for path in _paths()[KEPT:]:
            path.unlink(missing_ok=True)
        return len(email_messages)


def _paths() -> list[Path]:
    """The mails' files, the newest first."""
    return sorted(settings.EMAIL_FILE_PATH.glob("*.eml"), reverse=True)


class Mail:
    """One mail as the pages show it."""

    def __init__(self, path: Path):
        self.id = path.stem
        self.message: EmailMessage = message_from_bytes(path.read_bytes(), policy=policy.default)

    @property
    def headers(self) -> dict[str, str]:
        return {name: str(self.message[name] or "") for name in ("From", "To", "Subject", "Date")}

    @property
    def sent_on(self) -> datetime.datetime:
        """Of which -0000, as Django's are, is UTC of a sender that does not tell its time zone."""
        sent = parsedate_to_datetime(self.headers["Date"])
        return sent if sent.tzinfo else sent.replace(tzinfo=datetime.UTC)

    @property
    def sent(self) -> str:
        return second(self.sent_on)

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    @property
    def attachments(self) -> list[str]:
        """Their names."""
        return [part.get_filename() or f"attachment-{number}" for number, part in enumerate(self.parts, 1)]

    @property
    def parts(self) -> list[EmailMessage]:
        return list(self.message.iter_attachments())

    def _body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return part.get_content() if part else ""


def _found(id: str) -> Mail:
    try:
        if re.fullmatch(r"\d{20}-[0-9a-f]{8}", id):
            return Mail(settings.EMAIL_FILE_PATH / f"{id}.eml")
    except FileNotFoundError:
        pass
    raise Http404


@require_safe
@never_cache
@in_the_readers_language
def inbox(request) -> HttpResponse:
    """The mails, the newest first."""
    mails = [_found(path.stem) for path in _paths()[:SHOWN] if path.exists()]
    return render(request, "mailbox/inbox.html", {"mails": mails})


@require_safe
@never_cache
@in_the_readers_language
def mail(request, id: str) -> HttpResponse:
    """One mail: its HTML in a frame, its text, its attachments."""
    return render(request, "mailbox/mail.html", {"mail": _found(id), "sandbox": " ".join(SANDBOX)})


@require_safe
@never_cache
@xframe_options_sameorigin
@csp_replace(
    {
        "default-src": [NONE],
        "style-src": [UNSAFE_INLINE],
        "img-src": ["*", "data:"],
        "frame-ancestors": ["'self'"],
        "sandbox": SANDBOX,
    }
)
def mail_html(request, id: str) -> HttpResponse:
    """The HTML as it was sent, its links told to open in a new tab."""
    return HttpResponse(_found(id).html.replace("<head>", '<head><base target="_blank">', 1))


@require_safe
@never_cache
def attachment(request, id: str, number: int) -> FileResponse:
    """The attachment of that number, from 1 on, to save and never to show."""
    found = _found(id)
    if not 1 <= number <= len(found.parts):
        raise Http404
    content = found.parts[number - 1].get_payload(decode=True) or b""
    return FileResponse(
        BytesIO(content),
        as_attachment=True,
        filename=found.attachments[number - 1],
        content_type="application/octet-stream",
    )
