"""How a demo looks: a live panel on a terminal, one plain line now and then elsewhere, and the table at the end.

Progress goes to standard error; the caller prints the final table where it wants it.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.demo.figures import Figures, QualityRow, Verdict

__all__ = ["Screen", "final_table", "plain_line"]

# Elsewhere than on a terminal: often enough to see that it lives, seldom enough to read.
_PLAIN_EVERY_S = 10.0
_BAR_WIDTH = 16
_MIN_PER_HOUR = 60


class Screen:
    """Shows figures while it is entered. `note` prints a line above them; `show` replaces them."""

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._title = title
        self._console = console or Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._next_plain_s = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def note(self, text: str) -> None:
        """Print one line that stays."""
        self._console.print(Text(text), soft_wrap=True)

    def show(self, figures: Figures) -> None:
        """Show these figures now; elsewhere than on a terminal, only when the next line is due."""
        if self._console.is_terminal:
            self._live.update(_panel(self._title, figures), refresh=True)
        elif figures.elapsed_s >= self._next_plain_s:
            self._next_plain_s = figures.elapsed_s + _PLAIN_EVERY_S
            self.note(plain_line(figures))


def plain_line(figures: Figures) -> str:
    """The figures in one line."""
    quality = figures.quality[-1].quality if figures.quality else {}
    ranked = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in quality.items())
    return (
        f"{_clock(figures.elapsed_s)}  {figures.events_sent:,} events ({figures.events_per_s:,.0f}/s)  "
        f"ranking p50 {figures.latencies.p50_ms:.0f} ms p99 {figures.latencies.p99_ms:.0f} ms  "
        f"model {figures.model_version}  lag {figures.lag:,}  {ranked}"
    )


def final_table(figures: Figures, verdict: Verdict, next_steps: Iterable[str]) -> RenderableType:
    """Quality over time, the figures, the verdict, and where to look next."""
    facts = Table.grid(padding=(0, 3))
    for name, value in {**_facts(figures), **verdict.facts}.items():
        facts.add_row(Text(name, style="dim"), Text(value))
    word = Text("PASS", style="bold green") if verdict.is_pass else Text("FAIL", style="bold red")
    reasons = verdict.problems or ("rankings improved, and nothing was lost",)
    outcome = [Text.assemble(word, f"  {reason}") for reason in reasons]
    steps = [Text(f"  {step}") for step in next_steps]
    return Group(
        _quality_table(figures.quality), Text(), facts, Text(), *outcome, Text(), Text("Where to look next:"), *steps
    )


def _panel(title: str, figures: Figures) -> RenderableType:
    done = Bar(size=max(figures.total_s, 1e-9), begin=0, end=figures.elapsed_s, width=_BAR_WIDTH, color="cyan")
    head = Table.grid(padding=(0, 2))
    head.add_row(Text(title, style="bold"), done, Text(f"{_clock(figures.elapsed_s)} of {_clock(figures.total_s)}"))
    facts = Table.grid(padding=(0, 3))
    for name, value in _facts(figures).items():
        facts.add_row(Text(name, style="dim"), Text(value))
    return Group(head, Text(), _quality_table(figures.quality), Text(), facts)


def _facts(figures: Figures) -> dict[str, str]:
    waits = figures.latencies
    return {
        "events": f"{figures.events_sent:,} sent, {figures.events_per_s:,.0f} a second",
        "event to ranking": f"p50 {waits.p50_ms:.0f} ms, p99 {waits.p99_ms:.0f} ms over {waits.num_answers:,} answers"
        f"; {figures.unanswered:,} came too late",
        "models": f"{figures.models_published} published in {figures.rounds} rounds; {figures.model_version} serves",
        "lag": f"{figures.lag:,} records",
        "rejects": f"{figures.rejects:,}",
    }


def _quality_table(rows: list[QualityRow]) -> RenderableType:
    if not rows:
        return Text("ranking quality: waiting for the first lists", style="dim")
    table = Table(box=None, padding=(0, 2), title="ranking quality", title_justify="left", title_style="bold")
    table.add_column("until", justify="right", no_wrap=True)
    table.add_column("lists", justify="right")
    rankers = list(rows[-1].quality)
    for ranker in rankers:
        style = "bold green" if ranker == "freshrank" else ""
        table.add_column(ranker.replace("_", " "), justify="right", no_wrap=True, style=style)
    table.add_column("")
    for row in rows:
        quality = [f"{row.quality.get(ranker, float('nan')):.3f}" for ranker in rankers]
        bar = Bar(size=1.0, begin=0, end=row.quality.get("freshrank", 0.0), width=_BAR_WIDTH, color="green")
        table.add_row(row.until, f"{row.num_lists:,}", *quality, bar)
    return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), _MIN_PER_HOUR)
    return f"{minutes}:{rest:02d}"
