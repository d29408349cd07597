"""Ratios of a benchmark as bars, with their goals: a small SVG, equal byte for byte for equal figures."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.table_rows import Row, is_number

__all__ = ["Bar", "bars", "ratio_plot"]

MAX_BARS = 24
OURS, GOAL, RULE = "#2f6f9f", "#c04f15", "#777777"


class Bar(NamedTuple):
    """One ratio."""

    name: str
    ratio: float
    goal: float | None


def bars(rows: Sequence[Row]) -> list[Bar]:
    """The first ratios, in order; none when some are not positive, as gains and differences are not drawn."""
    ratios = [row for row in rows if row.is_ratio]
    if not all(is_number(row.value) and row.value > 0 for row in ratios):
        return []
    named = [(row.name.removeprefix("ratios."), row) for row in ratios[:MAX_BARS]]
    return [Bar(name, row.value, row.goal if is_number(row.goal) else None) for name, row in named]


def ratio_plot(of: Sequence[Bar]) -> bytes:
    """The SVG; ratios on a logarithmic scale, a line at 1, a mark at each goal."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "freshrank", "font.size": 9}):
        figure = Figure(figsize=(7.5, 0.6 + 0.24 * len(of)), layout="constrained")
        axes = figure.add_subplot()
        places = range(len(of))
        # A bar on a logarithmic axis has no zero to start from; 1, where both are equal, is its place.
        axes.barh(places, [bar.ratio - 1 for bar in of], left=1, height=0.6, color=OURS)
        goals = [(bar.goal, place) for place, bar in enumerate(of) if bar.goal is not None]
        axes.plot([goal for goal, _ in goals], [place for _, place in goals], "|", color=GOAL, ms=12, mew=2)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_yticks(places, [f"{bar.name}  {bar.ratio:.3g}" for bar in of])
        axes.invert_yaxis()
        axes.axvline(1, color=RULE, lw=1)
        axes.set_xlabel("ratio" + (", and its goal" if goals else ""))
        axes.spines[["top", "right", "left"]].set_visible(False)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()
