"""One role as a child: when it is started again, and what is said about its end."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from streams.clock import ManualClock
from streams.supervisor.role_process import Backoff, Ended, RoleProcess


def test_backoff_doubles_up_to_its_longest() -> None:
    backoff = Backoff()

    assert [backoff.after_run(1.0) for _ in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_backoff_starts_over_after_a_healthy_minute() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after_run(1.0)

    assert [backoff.after_run(60.0), backoff.after_run(1.0)] == [0.2, 0.4]


class Child:
    """A role process of a few lines of Python, with a clock that only the test moves."""

    def __init__(self, folder: Path, code: str) -> None:
        self.clock = ManualClock()
        self.process = RoleProcess(
            name="trainer",
            role="trainer",
            argv=[sys.executable, "-S", "-c", code],
            env={},
            log_path=folder / "trainer.log",
            clock=self.clock,
        )

    def ended(self) -> Ended:
        """Tick until the end is noticed."""
        pause = Event()
        while (ended := self.process.tick()) is None:
            pause.wait(0.005)
        return ended


@pytest.fixture
def stopped() -> Iterator[list[RoleProcess]]:
    """Processes to end after the test, whatever happened in it."""
    processes: list[RoleProcess] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait(5.0)


def test_an_end_is_told_once_with_the_last_line_of_the_log(tmp_path: Path) -> None:
    child = Child(tmp_path, "import sys; print('starting', flush=True); sys.exit('error: no broker\\n')")
    child.process.start()

    ended = child.ended()
    assert ended == Ended("trainer", 1, 0.0, 0.2, "error: no broker")
    assert str(ended) == "trainer ended with exit code 1 after 0.0 s (error: no broker); next start in 0.2 s"
    assert child.process.pid is None
    assert child.process.tick() is None


def test_of_a_json_log_the_error_is_told_rather_than_the_farewell(tmp_path: Path) -> None:
    error = {"event": "worker_failed", "exception": "Traceback:\n  File x\nValueError: torn"}
    farewell = {"event": "stopping"}
    child = Child(
        tmp_path, f"import json; print(json.dumps({error!r})); print(json.dumps({farewell!r})); raise SystemExit(1)"
    )
    child.process.start()

    assert child.ended().last_line == "ValueError: torn"


def test_it_is_started_again_when_the_wait_is_over_and_not_before(tmp_path: Path, stopped: list[RoleProcess]) -> None:
    child = Child(tmp_path, "raise SystemExit(3)")
    stopped.append(child.process)
    child.process.start()
    child.ended()

    child.clock.advance_ms(199)
    child.process.tick()
    early = child.process.pid
    child.clock.advance_ms(1)
    child.process.tick()

    assert early is None
    assert child.process.pid is not None
    assert child.ended().restart_in_s == 0.4


def test_a_killed_role_is_told_by_its_signal(tmp_path: Path) -> None:
    child = Child(tmp_path, "import signal; signal.pause()")
    child.process.start()
    child.process.kill()

    ended = child.ended()
    assert ended.status == -signal.SIGKILL
    assert "ended with signal 9" in str(ended)


def test_a_role_that_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    child = Child(tmp_path, "from signal import *; signal(15, SIG_IGN); print('deaf', flush=True); pause()")
    child.process.start()
    pause = Event()
    while "deaf" not in (tmp_path / "trainer.log").read_text():
        pause.wait(0.005)

    child.process.terminate()
    assert child.process.wait(0.05) is False
    assert child.process.pid is None


def test_a_huge_log_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "trainer.log"
    with log.open("wb") as file:
        file.truncate((16 << 20) + 1)
    child = Child(tmp_path, "print('new')")
    child.process.start()
    child.ended()

    assert log.read_text() == "new\n"
    assert (tmp_path / "trainer.log.1").stat().st_size == (16 << 20) + 1
