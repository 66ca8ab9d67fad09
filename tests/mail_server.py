"""A mail server on a port of this machine, by aiosmtpd: it may refuse a recipient, break off, and ask for a login."""

import asyncio
import datetime
import email
import email.policy
import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers import free_port

LOGIN, PASSWORD = b"mailer", b"se/cret"


class MailServer:
    """Keeps the mails that came; `answers` says what a recipient is refused with, `breaks_off` after which mail it ends
    the connection."""

    def __init__(self):
        self.mails: list[EmailMessage] = []
        self.answers: dict[str, str] = {}
        self.breaks_off = 0
        self.greeted = self.left = 0
        self.secure: list[bool] = []

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.greeted += session.ssl is None
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        self.secure.append(session.ssl is not None and session.authenticated)
        if len(self.mails) == self.breaks_off:
            asyncio.get_running_loop().call_soon(server.transport.close)
        return "250 OK"

    async def handle_QUIT(self, server, session, envelope):
        self.left += 1
        return "221 Bye"


@contextmanager
def mail_server(certificate: Path | None = None) -> Iterator[tuple[MailServer, int]]:
    """The server and its port; with a file of a certificate and its key it takes nothing without TLS and a login."""
    server = MailServer()
    options = {}
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        options = {
            "tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": _authenticate,
        }  # fmt: skip
    controller = Controller(server, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield server, controller.port
    finally:
        controller.stop()


def _authenticate(server, session, envelope, mechanism, data) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (LOGIN, PASSWORD))


def make_certificate(file: Path) -> Path:
    """A key and a certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    number, then = x509.random_serial_number(), now + datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), number, now, then)
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    file.write_bytes(private + certificate)
    return file
