"""How pages and mails look: the settings APP_NAME, APP_COLOR, APP_LOGO_URL and their like, for every template.

One colour is set; what is readable on it, and how it is readable on light and on dark paper, is worked out (WCAG 2.2,
success criterion 1.4.3: a contrast of at least 4.5).
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

LIGHT_PAPER, DARK_PAPER = "#ffffff", "#18242a"
LIGHT_INK, DARK_INK = "#ffffff", "#000000"  # one of them has a contrast of 4.58 at least to any colour
READABLE = 4.5


@dataclass(frozen=True)
class Scheme:
    """The colours of light or dark mode: a button's, the text on it, and that of links and marks on the paper."""

    fill: str
    on_fill: str
    text: str


@dataclass(frozen=True)
class Brand:
    name: str
    logo_url: str | None
    logo_dark_url: str | None
    terms_url: str | None
    privacy_url: str | None
    support_email: str | None
    light: Scheme
    dark: Scheme

    @property
    def version(self) -> str:
        """Changes when the colours do: what a browser has cached under another one is not asked for again."""
        return hashlib.sha256(repr((self.light, self.dark)).encode()).hexdigest()[:8]


def brand() -> Brand:
    """The brand that the settings describe."""
    return Brand(
        name=settings.APP_NAME,
        logo_url=settings.APP_LOGO_URL,
        logo_dark_url=settings.APP_LOGO_DARK_URL,
        terms_url=settings.TERMS_URL,
        privacy_url=settings.PRIVACY_URL,
        support_email=settings.SUPPORT_EMAIL,
        light=_scheme(settings.APP_COLOR, LIGHT_PAPER),
        dark=_scheme(settings.APP_COLOR, DARK_PAPER),
    )


def context(request) -> dict[str, Brand]:
    """Template context processor."""
    return {"brand": brand()}


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours as #rrggbb, from 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


SHADES = {50: -0.95, 100: -0.88, 200: -0.74, 300: -0.55, 400: -0.3, 700: 0.15, 800: 0.3, 900: 0.45, 950: 0.65}
"""How far each shade of a palette lies from its middle: below zero towards white, above it towards black."""


@lru_cache
def palette(color: str) -> dict[int, str]:
    """The shades of `color` that the back-office uses: 600 can be read on white and under it, 500 on dark paper."""
    middle = _readable(color, LIGHT_PAPER)
    shades = {shade: _mix(middle, "#ffffff" if share < 0 else "#000000", abs(share)) for shade, share in SHADES.items()}
    return dict(sorted({**shades, 500: _readable(color, DARK_PAPER), 600: middle}.items()))


@lru_cache
def _scheme(color: str, paper: str) -> Scheme:
    text = _readable(color, paper)
    fill = color if paper == LIGHT_PAPER else text
    return Scheme(fill=fill, on_fill=max(LIGHT_INK, DARK_INK, key=lambda ink: contrast(ink, fill)), text=text)


def _readable(color: str, paper: str) -> str:
    """`color`, moved towards the end away from `paper` until it can be read on it."""
    target = "#000000" if _luminance(paper) > 0.5 else "#ffffff"
    steps = (_mix(color, target, step / 20) for step in range(21))
    return next(mixed for mixed in steps if contrast(mixed, paper) >= READABLE)


def _mix(color: str, target: str, share: float) -> str:
    pairs = zip(_channels(color), _channels(target), strict=True)
    return "#" + "".join(f"{round(one + (other - one) * share):02x}" for one, other in pairs)


def _channels(color: str) -> list[int]:
    return [int(color[start : start + 2], 16) for start in (1, 3, 5)]


def _luminance(color: str) -> float:
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in _channels(color))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
