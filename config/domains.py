"""Domains in the form that the DNS has: lower case, and A-labels for what is not ASCII (IDNA 2008, UTS 46).

Every domain that is kept or compared is in this form, so that the two ways to write one are one.
"""

import re

import idna

HOSTNAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""RFC 1123, section 2.1, in lower case."""


def ascii_domain(domain: str) -> str:
    """ "Müller.example" as "xn--mller-kva.example". What has no such form stays as it is, and is no HOSTNAME."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain


def readable_domain(domain: str) -> str:
    """ "xn--mller-kva.example" as "müller.example"; what holds no A-label stays as it is."""
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain


def mail_domain(email: str) -> str:
    """The domain of a mail address."""
    return ascii_domain(email.rpartition("@")[2])


def ascii_address(email: str) -> str:
    """A mail address with its domain in that form; one that is ASCII stays as it is written.

    Raises ValueError where it is not at a host name: an address literal (a@[127.0.0.1]) is of no domain.
    """
    domain = mail_domain(email)
    if not HOSTNAME.fullmatch(domain):
        raise ValueError("not at a host name")
    return email if email.isascii() else f"{email.rpartition('@')[0]}@{domain}"


def comparable_address(email: str) -> str:
    """What mail addresses are compared by: alike in letter case and in the form of the domain, they are one."""
    return f"{email.rpartition('@')[0]}@{mail_domain(email)}".lower()
