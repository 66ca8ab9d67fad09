"""Typed readers of the environment: the only place that touches `os.environ`.

An empty variable counts as unset, as it does in the reference's .env files. A value that cannot be read raises
ImproperlyConfigured with the variable's name, never with its value. A secret may be given as `NAME_FILE`, the path of a
file that holds it (Docker and Kubernetes secrets).
"""

import ipaddress
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar, overload
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from django.core.exceptions import ImproperlyConfigured

Default = TypeVar("Default")
NAMES: set[str] = set()
"""The variables that have been asked for: with the settings read, all that the service heeds beside them."""


def read_dotenv(path: Path) -> None:
    """Load `path`, a .env file, where there is one; what the environment already has wins."""
    if path.is_file():
        environ.Env.read_env(path, overwrite=False)


@overload
def text(name: str) -> str | None: ...
@overload
def text(name: str, default: Default) -> str | Default: ...
def text(name, default=None):
    """The variable as it stands, without surrounding white space."""
    NAMES.add(name)
    return os.environ.get(name, "").strip() or default


def secret(name: str, *, required: bool, default: str = "") -> str:
    """A secret from `NAME` or the file that `NAME_FILE` points to; missing although required is an error."""
    value = text(name)
    path = text(f"{name}_FILE")
    if value is None and path is not None:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE: the file cannot be read ({type(error).__name__}).") from error
    if value:
        return value
    if required:
        raise ImproperlyConfigured(f"{name} is required when NODE_ENV=prod (or {name}_FILE, a file that holds it).")
    return default


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 2**31 - 1) -> int:
    """A whole number between `minimum` and `maximum`."""
    value = text(name)
    if value is None:
        return default
    if not re.fullmatch(r"-?\d{1,15}", value) or not minimum <= int(value) <= maximum:
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {minimum} and at most {maximum}.")
    return int(value)


def port(name: str, default: int, *, minimum: int = 1) -> int:
    """A port of TCP."""
    return integer(name, default, minimum=minimum, maximum=65_535)


def boolean(name: str, default: bool) -> bool:
    """true/false, yes/no, on/off or 1/0, in any letter case."""
    value = text(name)
    if value is None:
        return default
    if value.lower() not in environ.Env.BOOLEAN_TRUE_STRINGS and value.lower() not in ("false", "no", "off", "0", "n"):
        raise ImproperlyConfigured(f"{name} must be true or false.")
    return value.lower() in environ.Env.BOOLEAN_TRUE_STRINGS


def choice(name: str, default: str, choices: Sequence[str]) -> str:
    """One of `choices`."""
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}.")
    return value


def listing(name: str, default: Sequence[str] = ()) -> list[str]:
    """A comma-separated list."""
    value = text(name)
    return list(default) if value is None else [item.strip() for item in value.split(",") if item.strip()]


def pairs(name: str) -> Mapping[str, str]:
    """A comma-separated list of key=value."""
    result = {}
    for item in listing(name):
        key, equals, value = item.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise ImproperlyConfigured(f"{name} must be a comma-separated list of name=value.")
        result[key.strip()] = value.strip()
    return result


def uuid_or_none(name: str) -> uuid.UUID | None:
    """A UUID, or None where the variable is unset."""
    value = text(name)
    try:
        return uuid.UUID(value) if value else None
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a UUID.") from error


def parts(name: str, value: str) -> SplitResult:
    """The parts of `value`, a URL that `name` holds; its port is one, or None."""
    try:
        found = urlsplit(value)
        if found.port == 0:  # which is read only now
            raise ValueError
    except ValueError:  # whose text may be a part of the password
        raise ImproperlyConfigured(
            f"{name} is malformed: a port is a number up to 65535; escape what a password holds besides letters."
        ) from None
    return found


@overload
def url(name: str, default: str, *, schemes: Sequence[str] = ...) -> str: ...
@overload
def url(name: str, default: None = None, *, schemes: Sequence[str] = ...) -> str | None: ...
def url(name, default=None, *, schemes=("http", "https")):
    """An absolute URL without a trailing slash."""
    value = text(name, default)
    if value is None:
        return None
    found = parts(name, value)
    nowhere = found.scheme.startswith("http") and not found.hostname
    if nowhere or not re.match(rf"({'|'.join(map(re.escape, schemes))})://\S+$", value):
        raise ImproperlyConfigured(f"{name} must be a URL that starts with {' or '.join(f'{s}://' for s in schemes)}.")
    return value.rstrip("/")


def origin(name: str) -> str | None:
    """A server's address without a trailing slash: a bare host name means https, a full URL is taken as it is."""
    value = text(name)
    if value is None:
        return None
    if "://" not in value:
        value = f"https://{value}"
    if not parts(name, value).hostname or not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
        raise ImproperlyConfigured(f"{name} must be a host name, or a URL that starts with http:// or https://.")
    return value.rstrip("/")


def origins(name: str) -> list[str]:
    """A comma-separated list of origins (RFC 6454): scheme, host and maybe port, nothing behind them."""
    found = [item.rstrip("/") for item in listing(name)]
    pattern = r"https?://([\w.-]+|\[[0-9a-fA-F:]+\])(:\d+)?"
    if not all(re.fullmatch(pattern, item) and parts(name, item).hostname for item in found):
        raise ImproperlyConfigured(f"{name} must be a comma-separated list of origins, such as https://app.example.")
    return found


def hosts(name: str, default: Sequence[str]) -> list[str]:
    """A comma-separated list of host names without scheme and port; .example.com is all below it too, * is any."""
    found = listing(name, default)
    if not all(re.fullmatch(r"\*|[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]", item) for item in found):
        raise ImproperlyConfigured(f"{name} must be a comma-separated list of host names, such as app.example.")
    return found


def host_of(url: str) -> str:
    """The host of `url` as a browser names it in the Host header: IPv6 in its short form, in brackets."""
    host = str(urlsplit(url).hostname)
    return f"[{ipaddress.IPv6Address(host)}]" if ":" in host else host


def ip_address(name: str, default: str) -> str:
    """An address of this machine, as IPv4 or IPv6 writes it; no name."""
    value = text(name, default)
    try:
        ipaddress.ip_address(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be an IP address, such as 0.0.0.0 for all of this machine.") from error
    return value


def color(name: str, default: str) -> str:
    """A colour as #rrggbb; #rgb is read too."""
    value = text(name, default).lower()
    if re.fullmatch(r"#[0-9a-f]{3}", value):
        value = "#" + "".join(digit * 2 for digit in value[1:])
    if not re.fullmatch(r"#[0-9a-f]{6}", value):
        raise ImproperlyConfigured(f"{name} must be a colour such as #0f766e.")
    return value


def identifier(name: str, default: str) -> str:
    """A plain SQL identifier (letters, digits, underscores)."""
    value = text(name, default)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", value):
        raise ImproperlyConfigured(f"{name} must be a plain SQL identifier.")
    return value


def number(name: str, default: str, *, minimum: str, maximum: str) -> Decimal:
    """A decimal number between `minimum` and `maximum`."""
    value = text(name, default)
    if not re.fullmatch(r"\d{1,9}(\.\d{1,3})?", value) or not Decimal(minimum) <= Decimal(value) <= Decimal(maximum):
        raise ImproperlyConfigured(f"{name} must be a number from {minimum} to {maximum}.")
    return Decimal(value)


def days(name: str, default: Sequence[int]) -> list[int]:
    """A comma-separated list of numbers of days, from 1 on, each more than the one before."""
    values = listing(name, [str(day) for day in default])
    if not all(re.fullmatch(r"[1-9]\d{0,3}", value) for value in values):
        raise ImproperlyConfigured(f"{name} must be a comma-separated list of days.")
    result = [int(value) for value in values]
    if result != sorted(set(result)):
        raise ImproperlyConfigured(f"{name} must rise from day to day.")
    return result


def lines(name: str) -> str:
    """A text of several lines, also written in one with \\n between them."""
    return text(name, "").replace("\\n", "\n")


def matching(name: str, default: str, pattern: str, hint: str) -> str:
    """A text that the pattern matches as a whole; `hint` says how it has to look."""
    value = text(name, default)
    if not re.fullmatch(pattern, value):
        raise ImproperlyConfigured(f"{name} must be {hint}.")
    return value


def time_zone(name: str, default: str) -> str:
    """The name of a time zone of the IANA database."""
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ImproperlyConfigured(f"{name} must name a time zone, such as Europe/Berlin.") from error
    return value


def file(name: str) -> str | None:
    """The path of a file that is there, or None where the variable is unset."""
    value = text(name)
    if value is not None and not Path(value).is_file():
        raise ImproperlyConfigured(f"{name} names a file that cannot be found.")
    return value


def folders(name: str) -> list[Path]:
    """A comma-separated list of the paths of folders that are there."""
    found = [Path(item) for item in listing(name)]
    if not all(folder.is_dir() for folder in found):
        raise ImproperlyConfigured(f"{name} names a folder that cannot be found.")
    return found


def made(name: str, folder: Path) -> Path:
    """`folder`, whose place `name` says, made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{name}: the folder cannot be made ({type(error).__name__}).") from error
    return folder
