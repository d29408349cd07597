"""Colours and lettering of the charts: one drawing, for light and dark pages and for files.

For a page, matplotlib draws in marker colours that nothing else uses; in the SVG each becomes a CSS variable, so that
the drawing follows the reader's scheme. Text stays text, in the font of the page.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = ["STYLE", "Draw", "Palette", "save_png", "svg_of"]


@dataclass(frozen=True, slots=True)
class Palette:
    """What a drawing may use. `series`: for tasks in their order, again from the first when there are more."""

    ink: str
    muted: str
    grid: str
    good: str
    bad: str
    warn: str
    series: tuple[str, ...]


Draw = Callable[[Figure, Palette], None]
# Variable -> light and dark.
COLOURS = {
    "ink": ("#1a1d21", "#e8eaed"),
    "muted": ("#626b77", "#9aa4b2"),
    "grid": ("#e3e6ea", "#2c323a"),
    "good": ("#0f8a5f", "#3ecf9a"),
    "bad": ("#c8354a", "#ff7a85"),
    "warn": ("#b26a00", "#f0b057"),
    "s1": ("#2a63d4", "#6ea8ff"),
    "s2": ("#d9691a", "#ff9d5c"),
    "s3": ("#0f9077", "#41d1b3"),
    "s4": ("#7d4fd6", "#b394ff"),
    "s5": ("#c43b7c", "#ff86b8"),
    "s6": ("#5b7a1f", "#a6c95a"),
    "s7": ("#7a6248", "#c9ab86"),
}
MARKERS = {name: f"#01{place:02x}03" for place, name in enumerate(COLOURS)}
# Names that matplotlib gives to groups: the same in each figure, and nothing refers to them.
GROUP_ID = re.compile(r' id="(?:figure|axes|patch|text|line2d|xtick|ytick|legend|matplotlib|\w+Collection)[^"]*"')
PNG_DPI = 160


def _palette(colours: dict[str, str]) -> Palette:
    plain = {name: colour for name, colour in colours.items() if name not in {f"s{k}" for k in range(1, 8)}}
    return Palette(**plain, series=tuple(colours[f"s{k}"] for k in range(1, 8)))


def _style(place: int) -> str:
    return "".join(f"--{name}:{pair[place]};" for name, pair in COLOURS.items())


STYLE = f":root{{{_style(0)}}}@media(prefers-color-scheme:dark){{:root{{{_style(1)}}}}}"


def svg_of(draw: Draw, size: tuple[float, float], label: str) -> str:
    """An `<svg>` for a page with `STYLE`. `size`: inches for which the lettering is chosen; it scales with the page."""
    text = _saved(draw, _palette(MARKERS), size, "svg", {"metadata": {"Date": None}, "transparent": True}).decode()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = GROUP_ID.sub("", text)
    opening = re.compile(r'<svg [^>]*viewBox="([^"]*)"[^>]*>')
    text = opening.sub(rf'<svg viewBox="\1" role="img" aria-label="{label}">', text, count=1)
    for name, marker in MARKERS.items():
        text = text.replace(marker, f"var(--{name})")
    return text.replace("xlink:href", "href")


def save_png(draw: Draw, size: tuple[float, float], path: Path) -> None:
    """The same drawing as a file, on white. Raises OSError."""
    light = _palette({name: pair[0] for name, pair in COLOURS.items()})
    path.write_bytes(_saved(draw, light, size, "png", {"dpi": PNG_DPI}))


def _saved(draw: Draw, palette: Palette, size: tuple[float, float], kind: str, given: dict[str, Any]) -> bytes:
    with mpl.rc_context(_settings(palette)):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure, palette)
        out = io.BytesIO()
        figure.savefig(out, format=kind, **given)
    return out.getvalue()


def _settings(palette: Palette) -> dict[Any, Any]:
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "freshrank",
        "font.size": 9,
        "text.color": palette.ink,
        "axes.edgecolor": palette.grid,
        "axes.labelcolor": palette.muted,
        "axes.titlecolor": palette.ink,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": palette.grid,
        "grid.linewidth": 0.8,
        "xtick.color": palette.muted,
        "ytick.color": palette.muted,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
    }
