"""What a person sees: one plain line now and then, and the table at the end."""

import io

from rich.console import Console

from streams.demo.figures import Figures, Latencies, QualityRow, Verdict
from streams.demo.screen import Screen, final_table, plain_line

QUALITY = {"as_shown": 0.25, "freshrank": 0.5, "oracle": 1.0}
FIGURES = Figures(
    elapsed_s=75.0, total_s=120.0, events_sent=12_345, events_per_s=201.4, latencies=Latencies(900, 8.4, 31.2),
    unanswered=2, model_version=7, models_published=6, rounds=9, lag=3, rejects=0,
    quality=[QualityRow("1:00", 300, QUALITY)],
)  # fmt: skip


def _printed(verdict: Verdict) -> str:
    console = Console(file=io.StringIO(), width=110, highlight=False)
    console.print(final_table(FIGURES, verdict, ["freshrank up    for your own events"]))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_plain_line_has_everything_that_moves() -> None:
    assert plain_line(FIGURES) == (
        "1:15  12,345 events (201/s)  ranking p50 8 ms p99 31 ms  model 7  lag 3  "
        "as shown 0.250, freshrank 0.500, oracle 1.000"
    )


def test_without_a_terminal_a_line_comes_every_ten_seconds() -> None:
    out = io.StringIO()
    with Screen("demo", Console(file=out)) as screen:
        for elapsed_s in (0.0, 3.0, 9.9, 10.0, 12.0, 20.5):
            screen.show(Figures(elapsed_s=elapsed_s))

    assert [line.split()[0] for line in out.getvalue().splitlines()] == ["0:00", "0:10", "0:20"]


def test_the_last_table_says_pass_and_where_to_look_next() -> None:
    printed = _printed(Verdict({"lifetime totals": "of 40 users"}, ()))

    assert "PASS  rankings improved, and nothing was lost" in printed
    assert next(line.split() for line in printed.splitlines() if "1:00" in line)[:5] == [
        "1:00", "300", "0.250", "0.500", "1.000",
    ]  # fmt: skip
    assert "of 40 users" in printed
    assert printed.rstrip().endswith("freshrank up    for your own events")


def test_the_last_table_names_each_reason_to_fail() -> None:
    printed = _printed(Verdict({}, ("3 events were dropped", "totals differ")))

    assert "FAIL  3 events were dropped" in printed
    assert "FAIL  totals differ" in printed
    assert "PASS" not in printed
