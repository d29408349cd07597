import io
from contextlib import redirect_stderr
from pathlib import Path

from streams.clock import ManualClock
from streams.events.log_file import LogFile
from streams.replay.progress import ReplayProgress, shown_with_progress


def test_without_a_terminal_news_come_as_lines_every_five_seconds() -> None:
    clock = ManualClock()
    with redirect_stderr(io.StringIO()) as shown, ReplayProgress("replay", clock) as progress:
        for second in range(12):
            progress(second / 12, f"{second} sent")
            clock.advance_ms(1000)
        progress(None, "waiting")
        progress.say("no worker found")
    assert shown.getvalue() == "replay: 5 sent (42%)\nreplay: 10 sent (83%)\nreplay: no worker found\n"


def test_records_pass_unchanged_while_their_number_is_told(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"x\n" * 2500)
    news: list[tuple[float | None, str]] = []
    log = LogFile(file)
    passed = list(shown_with_progress(log, log, lambda frac, words: news.append((frac, words))))
    assert len(passed) == 2500
    assert news == [(0.4, "1,000 records read"), (0.8, "2,000 records read")]
