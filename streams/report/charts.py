"""The drawings of a report: each takes plain numbers and gives a function that draws them. Knows no files."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from streams.report.table_figures import Reliability
from streams.report.theme import Draw, Palette

__all__ = ["Line", "bars", "colour_of", "distribution", "lines", "reliability_plot", "signed"]

Float64 = NDArray[np.float64]
# Of the values shown: a few wild rounds do not decide the scale.
SCALE_PERCENTILES = (2, 98)
# More points than pixels make a page heavy, not better.
MAX_POINTS = 400


@dataclass(frozen=True, slots=True)
class Line:
    """One line over rounds. `raw_R`: single rounds behind it; `colour`: place in the palette's series, or its field."""

    name: str
    y_R: Float64
    colour: int | str = 0
    raw_R: Float64 = field(default_factory=lambda: np.zeros(0))
    is_dashed: bool = False


def lines(
    title: str, rounds_R: Float64, drawn: Sequence[Line], *, level: float | None = None, has_legend: bool = False
) -> Draw:
    """Lines over rounds, with single rounds as points. `level`: a value worth a line of its own, as 1 is for NE."""
    shown = slice(None, None, math.ceil(len(rounds_R) / MAX_POINTS))

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.add_subplot()
        axes.set_title(title)
        if level is not None:
            axes.axhline(level, color=palette.muted, lw=1, ls=(0, (2, 3)))
        for line in drawn:
            colour = colour_of(line.colour, palette)
            if len(line.raw_R):
                axes.plot(rounds_R[shown], line.raw_R[shown], ".", color=colour, ms=5, alpha=0.45, mec="none")
            dash = (0, (4, 2)) if line.is_dashed else "-"
            axes.plot(
                rounds_R[shown],
                line.y_R[shown],
                color=colour,
                lw=1.3 if line.is_dashed else 2,
                ls=dash,
                label=line.name,
            )
        _scale(axes, [line.y_R for line in drawn], [line.raw_R for line in drawn], level)
        axes.set_xlabel("round")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if has_legend:
            axes.legend(loc="best", labelcolor=palette.muted, handlelength=1.4)

    return draw


def reliability_plot(title: str, found: Reliability, colour: int, *, is_seconds: bool = False) -> Draw:
    """Mean label against mean prediction by group, with its 90 % interval; on the diagonal is right."""

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.add_subplot()
        axes.set_title(title)
        # The interval is for yes or no; of seconds the means alone are shown.
        top = float(max(found.predicted.max(), found.observed.max() if is_seconds else found.high.max())) * 1.08
        axes.plot([0, top], [0, top], color=palette.muted, lw=1, ls=(0, (2, 3)))
        own = palette.series[colour % len(palette.series)]
        if not is_seconds:
            axes.vlines(found.predicted, found.low, found.high, color=own, lw=1.4, alpha=0.45)
        size = 14 + 60 * found.rows / found.rows.max()
        axes.scatter(found.predicted, found.observed, s=size, color=own, lw=0, zorder=3)
        axes.set(xlim=(0, top), ylim=(0, top), xlabel="predicted", ylabel="came true")
        axes.set_aspect("equal")
        if not is_seconds:
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, prune="lower"))

    return draw


def distribution(title: str, table: Float64, edges: Float64, colour: int, *, is_seconds: bool = False) -> Draw:
    """How often each prediction is made: for rows that came true, and for the others. Each adds up to one."""

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.add_subplot()
        axes.set_title(title)
        own = palette.series[colour % len(palette.series)]
        yes = table[:, 0] if is_seconds else table[:, 2]
        no = np.zeros(len(yes)) if is_seconds else table[:, 0] - table[:, 2]
        place = np.arange(len(table) + 1)
        if no.sum():
            axes.stairs(no / no.sum(), place, color=palette.muted, fill=True, alpha=0.4, lw=0)
        if yes.sum():
            axes.stairs(yes / yes.sum(), place, color=own, fill=True, alpha=0.35, lw=0)
            axes.stairs(yes / yes.sum(), place, color=own, lw=1.6)
        held = np.flatnonzero(table[:, 0] > table[:, 0].sum() * 1e-4)
        _edge_ticks(axes, edges, is_seconds=is_seconds)
        axes.set_xlim(max(held.min() - 2, 0), min(held.max() + 3, len(table)))
        axes.set(yticks=[], xlabel="predicted")

    return draw


def bars(title: str, values: Mapping[str, float], *, unit: str) -> Draw:
    """One bar a name, longest on top; what is better than nothing points the other way and is pale."""

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.add_subplot()
        axes.set_title(title)
        names = sorted(values, key=lambda name: values[name])
        lengths = [values[name] for name in names]
        colours = [palette.series[0] if length > 0 else palette.muted for length in lengths]
        axes.barh([name.replace("_", " ") for name in names], lengths, color=colours, height=0.62)
        axes.axvline(0, color=palette.muted, lw=1)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", labelcolor=palette.ink)
        axes.set_xlabel(unit)
        low, high = min(0.0, *lengths), max(0.0, *lengths)
        margin = (high - low or 1) * 0.16
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlim(low - (margin if low < 0 else 0), high + margin)
        for place, length in enumerate(lengths):
            shift, side = (margin * 0.08, "left") if length >= 0 else (-margin * 0.08, "right")
            axes.text(length + shift, place, signed(length), va="center", ha=side, fontsize=8, color=palette.muted)

    return draw


def colour_of(colour: int | str, palette: Palette) -> str:
    """A place in the series, or the name of a field."""
    return palette.series[colour % len(palette.series)] if isinstance(colour, int) else str(getattr(palette, colour))


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign; one that rounds to nothing has none."""
    return f"{value:+.{digits}f}" if round(value, digits) else f"{0:.{digits}f}"


def percent(value: float) -> str:
    """A share in percent, with as many digits as it needs."""
    return f"{100 * value:.3g} %"


def _scale(axes: Axes, means: Sequence[Float64], raws: Sequence[Float64], level: float | None) -> None:
    """All lines and most points in view, with the level when it is near."""
    mean = _finite(means)
    raw = _finite(raws)
    if not len(mean):
        return
    ends = [mean.min(), mean.max(), *(np.percentile(raw, SCALE_PERCENTILES) if len(raw) else ())]
    low, high = float(min(ends)), float(max(ends))
    reach = high - low or abs(high) * 0.1 or 1.0
    if level is not None and low - reach < level < high + reach:
        low, high = min(low, level), max(high, level)
    axes.set_ylim(low - 0.08 * (high - low or reach), high + 0.12 * (high - low or reach))


def _finite(columns: Sequence[Float64]) -> Float64:
    joined: Float64 = np.concatenate([*columns, np.zeros(0)])
    return np.asarray(joined[np.isfinite(joined)], np.float64)


def _edge_ticks(axes: Axes, edges: Float64, *, is_seconds: bool) -> None:
    """Round values at their place among the bins."""
    if is_seconds:
        wanted, names = (
            np.log1p([1, 5, 20, 60, 300, 1800, 7200]),
            ["1 s", "5 s", "20 s", "1 min", "5 min", "30 min", "2 h"],
        )
        places = np.interp(wanted, edges, np.arange(len(edges)))
    else:
        wanted = np.array([0.001, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9])
        names = [percent(value) for value in wanted]
        places = np.interp(np.log(wanted / (1 - wanted)), np.log(edges / (1 - edges)), np.arange(len(edges)))
    axes.set_xticks(places, names)
