"""What the arguments of commands may be, as `type` of argparse, which tells a refusal in a line."""

import datetime
import re
from argparse import ArgumentTypeError
from collections.abc import Callable

from config.fields import YEARS


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", text) or not least <= int(text) <= most:
            raise ArgumentTypeError(f"must be a whole number from {least} to {most}.")
        return int(text)

    return read


def day(text: str) -> datetime.date:
    """A day as YYYY-MM-DD, in the years of the requests' moments."""
    try:
        found = datetime.date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.year not in YEARS:
        raise ArgumentTypeError("must be a day: YYYY-MM-DD.")
    return found
