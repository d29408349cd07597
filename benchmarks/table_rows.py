"""The result of any benchmark as rows of a table: nested figures get dotted names, goals stand beside what they judge.

Nothing is known about a single benchmark. `goals` name a ratio, a figure of `own`, or any dotted name. A ratio is to
reach its goal; a figure too, unless its name has a unit of time or size, of which less is better.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

__all__ = ["Row", "dotted", "is_number", "rows_of", "shown"]

# Told apart from the rows, as they describe the run.
ABOUT = ("machine", "versions", "goals")
LESS_IS_BETTER = ("_ms", "_us", "_s", "_bytes", "_mb")


class Row(NamedTuple):
    """A figure. `is_met` is None where there is no goal, or none that a number can meet."""

    name: str
    value: Any
    goal: Any = None
    is_met: bool | None = None

    @property
    def is_ratio(self) -> bool:
        """True for a comparison with a peer, which is drawn."""
        return self.name.startswith("ratios.")

    @property
    def is_cost(self) -> bool:
        """True for a time or size, of which less is better."""
        parts = [] if self.is_ratio else self.name.split(".")
        return any(part.endswith(LESS_IS_BETTER) and not part.endswith("_per_s") for part in parts)


def rows_of(result: Mapping[str, Any]) -> list[Row]:
    """All figures in the order of the file, then the goals of figures that are not there."""
    figures = dict(dotted({key: value for key, value in result.items() if key not in ABOUT}))
    goals = {_place(name, figures): goal for name, goal in dotted(result.get("goals") or {})}
    rows = [_judged(name, value, goals.get(name)) for name, value in figures.items()]
    return rows + [Row(name, "not in the result", goal) for name, goal in goals.items() if name not in figures]


def dotted(value: object, name: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings and lists, named by their way from the top; a list of plain values is one leaf."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from dotted(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str) and any(map(_is_nested, value)):
        yield from dotted(dict(enumerate(value)), name)
    else:
        yield name, value


def shown(value: object) -> str:
    """A value as a reader wants it: three digits, thousands apart."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(shown, value))
    if not is_number(value):
        return "" if value is None else str(value)
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.3g}"


def is_number(value: object) -> TypeGuard[int | float]:
    """True for what can be compared; a flag cannot."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_nested(value: object) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str))


def _place(goal: str, figures: Mapping[str, Any]) -> str:
    """The dotted name of the figure that a goal means, or the goal's own."""
    return next((name for name in (f"ratios.{goal}", f"own.{goal}", goal) if name in figures), f"goals.{goal}")


def _judged(name: str, value: object, goal: object) -> Row:
    row = Row(name, value, goal)
    if not (is_number(value) and is_number(goal)):
        return row
    return row._replace(is_met=value <= goal if row.is_cost else value >= goal)
