"""Bars in SVG for what the benchmarks find, without a package: provisioning/charts.py places them."""

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from provisioning.charts import columns

COLOURS = ("#94a3b8", "#2dd4bf", "#0f766e", "#134e4a")


def write(path: Path, title: str, groups: Sequence[tuple[str, Sequence[tuple[str, float]]]]) -> None:
    """A plot with a group of bars for each (label, [(kind, value), …]); every bar has its number above it."""
    kinds = list(dict.fromkeys(kind for _, bars in groups for kind, _ in bars))
    plot = columns([(label, [(kind, value, f"{value:.3g}") for kind, value in bars]) for label, bars in groups], top="")
    colour = dict(zip(kinds, COLOURS, strict=False))
    head = 40
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {plot.width} {plot.height + head}" '
        'font-family="sans-serif" font-size="9">',
        f'<rect width="{plot.width}" height="{plot.height + head}" fill="#fff"/>',
        f'<text x="8" y="14" font-size="12">{escape(title)}</text>',
    ]
    for place, kind in enumerate(kinds):
        x = 8 + place * 100
        lines.append(f'<rect x="{x}" y="22" width="8" height="8" fill="{colour[kind]}"/>')
        lines.append(f'<text x="{x + 12}" y="30">{escape(kind)}</text>')
    lines.append(f'<g transform="translate(0 {head})" text-anchor="middle">')
    for bar in plot.bars:
        lines.append(
            f'<rect x="{bar.x}" y="{bar.y}" width="{bar.width:.2f}" height="{bar.height}" fill="{colour[bar.kind]}"/>'
            f'<text x="{bar.x + bar.width / 2:.2f}" y="{bar.y - 3:.2f}" font-size="7">{bar.title}</text>'
        )
    lines += [f'<text x="{x}" y="{plot.base + 14}">{escape(label)}</text>' for x, label in plot.labels]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, "</g>", "</svg>"]) + "\n")
