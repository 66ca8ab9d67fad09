"""Plots as numbers for inline SVG: no script draws them, so they print, and the policy stays strict."""

from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT, BASE = 640, 160, 136
"""Of a plot, in its own units; BASE is where the bars stand."""
DIGIT = 10
"""How wide a figure above a bar may be written."""


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str
    text: str = ""

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True)
class Plot:
    bars: list[Bar] = field(default_factory=list)
    labels: list[tuple[float, str]] = field(default_factory=list)
    top: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    base: int = BASE


def columns(
    groups: Sequence[tuple[str, Sequence[tuple[str, float, str]]]],
    *,
    top: str = "",
    every: int = 1,
    numbered: bool = False,
) -> Plot:
    """Bars side by side: for each group its label and the (kind, value, title) of its bars.

    Every `every`-th label is written. `top` says what the highest bar is; `numbered` writes above each what it is, or
    above the highest alone where not all have the room.
    """
    highest = max((value for _, bars in groups for _, value, _ in bars), default=0) or 1
    step = WIDTH / max(len(groups), 1)
    has_room = len(f"{highest:.0f}") * DIGIT <= step
    bars, labels = [], []
    for index, (label, values) in enumerate(groups):
        width = step * 0.72 / max(len(values), 1)
        for place, (kind, value, title) in enumerate(values):
            height = round(max(value, 0) / highest * (BASE - 20), 2)
            x = round(index * step + step * 0.14 + place * width, 2)
            text = f"{value:.0f}" if numbered and value and (has_room or value == highest) else ""
            bars.append(Bar(x, round(BASE - height, 2), round(width * 0.9, 2), height, kind, title, text))
        if index % every == 0:
            labels.append((round((index + 0.5) * step, 2), label))
    return Plot(bars, labels, top)


@dataclass(frozen=True)
class Share:
    """A row of a list with a bar: `percent` of the longest."""

    label: str
    count: int
    percent: float
    kind: str
    url: str = ""


def shares(rows: Sequence[tuple[str, int, str, str]]) -> list[Share]:
    """Rows of (label, count, kind, url) with the lengths of their bars."""
    highest = max((count for _, count, _, _ in rows), default=0) or 1
    return [Share(label, count, round(100 * count / highest, 1), kind, url) for label, count, kind, url in rows]
