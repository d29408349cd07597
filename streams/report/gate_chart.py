"""The gate's decisions over rounds, and one decision task by task: how far the challenger was from the champion."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from streams.report.charts import colour_of
from streams.report.theme import Draw, Palette

__all__ = ["decisions_chart", "verdicts_chart"]

COLOUR = {"published": "good", "refused": "warn", "rolled_back": "bad"}


def decisions_chart(records: Sequence[Mapping[str, Any]], task: str) -> Draw:
    """Change of the task's normalised entropy by round, with its interval, coloured by what was decided."""

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.add_subplot()
        axes.set_title(f"{task}: challenger less champion, normalised entropy (below 0 is better)")
        axes.axhline(0, color=palette.muted, lw=1)
        drawn = []
        for record in records:
            verdict = record["gate"]["tasks"].get(task, {})
            ends = [verdict.get(name) for name in ("change", "surely_above", "surely_below")]
            colour = colour_of(COLOUR[record["decision"]], palette)
            if None in ends:
                axes.plot(record["round"], 0, "x", color=colour, ms=5)
                continue
            change, low, high = ends
            drawn += [low, high]
            axes.vlines(record["round"], low, high, color=colour, lw=1.6, alpha=0.45)
            axes.plot(record["round"], change, "o", color=colour, ms=4.5, mec="none")
        if drawn:
            ends = sorted(drawn)
            low, high = ends[len(ends) // 50], ends[-1 - len(ends) // 50]
            axes.set_ylim(min(low, 0) - 0.1 * (high - low), max(high, 0) + 0.1 * (high - low))
        axes.set_xlabel("round")
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        keys = [
            Line2D([], [], marker="o", ls="", ms=5, color=colour_of(colour, palette), label=decision.replace("_", " "))
            for decision, colour in COLOUR.items()
        ]
        axes.legend(handles=keys, loc="best", ncols=3, labelcolor=palette.muted, handletextpad=0.1)

    return draw


def verdicts_chart(title: str, gate: Mapping[str, Any]) -> Draw:
    """Each task's change with its interval. `gate`: as GateReport.as_json gives it."""

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.add_subplot()
        axes.set_title(title)
        axes.axvline(0, color=palette.muted, lw=1)
        tasks = [name for name, found in gate["tasks"].items() if found["change"] is not None]
        for place, name in enumerate(reversed(tasks)):
            found = gate["tasks"][name]
            colour = palette.bad if found["is_worse"] else palette.good if found["is_judged"] else palette.muted
            if None not in (found["surely_above"], found["surely_below"]):
                axes.hlines(place, found["surely_above"], found["surely_below"], color=colour, lw=2.5, alpha=0.45)
            axes.plot(found["change"], place, "o", color=colour, ms=7, mec="none")
        axes.set_yticks(range(len(tasks)), [name.replace("_", " ") for name in reversed(tasks)])
        axes.set_ylim(-0.6, len(tasks) - 0.4)
        axes.tick_params(axis="y", labelcolor=palette.ink)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("challenger less champion, normalised entropy: left is better")

    return draw
