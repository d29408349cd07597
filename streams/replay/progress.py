"""How far a command is with a log, on standard error: a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from streams.clock import Clock
from streams.events.log_file import LogFile

__all__ = ["ReplayProgress", "Report", "shown_with_progress"]

LINE_INTERVAL_S = 5.0
NEWS_RECORDS = 1_000

Record = TypeVar("Record")


class Report(Protocol):
    """Takes news: how much is done (0 to 1, None: unknown), and in words."""

    def __call__(self, done_frac: float | None, words: str) -> None:
        """Show it, or leave it out when the last news are fresh."""
        ...


class ReplayProgress:
    """Use as a context manager; call it with news as often as there are any."""

    def __init__(self, title: str, clock: Clock) -> None:
        self._title, self._clock = title, clock
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._said_s = clock.monotonic_s()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}")
            self._bar = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=None, words="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done_frac: float | None, words: str) -> None:
        """Show the news, or leave them out when the last are fresh."""
        if self._bar is not None and self._task is not None:
            total = None if done_frac is None else 1.0
            self._bar.update(self._task, total=total, completed=done_frac or 0.0, words=words)
        elif self._clock.monotonic_s() - self._said_s >= LINE_INTERVAL_S:
            self.say(words if done_frac is None else f"{words} ({done_frac:.0%})")

    def say(self, words: str) -> None:
        """Show a line now, above the bar where there is one."""
        self._said_s = self._clock.monotonic_s()
        if self._bar is not None:
            self._bar.console.print(f"{self._title}: {words}", highlight=False)
        else:
            print(f"{self._title}: {words}", file=sys.stderr, flush=True)  # noqa: T201 - this is its purpose


def shown_with_progress(records: Iterable[Record], log: LogFile, tell: Report) -> Iterator[Record]:
    """The records of a log as they are, telling now and then how far they are."""
    for number, record in enumerate(records, start=1):
        if number % NEWS_RECORDS == 0:
            tell(log.read_frac, f"{number:,} records read")
        yield record
