"""The supervisor with stand-in roles: real processes, real signals, no Kafka."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from streams.clock import SystemClock
from streams.supervisor.role_process import Backoff, RoleProcess
from streams.supervisor.run_folder import RunFolder
from streams.supervisor.supervisor import Supervisor

SCRIPT = Path(__file__).with_name("stand_in_role.py")
ORPHAN_MAKER = Path(__file__).with_name("orphan_maker.py")
ROOT = Path(__file__).parents[2]


class StandInBroker:
    """A broker that is always well, and remembers when it was stopped."""

    bootstrap_servers = "127.0.0.1:9"
    pid: int | None = 12345

    def __init__(self, stopped: list[str]) -> None:
        self._stopped = stopped

    def keep_alive(self) -> str | None:
        return None

    def stop(self) -> None:
        self._stopped.append("broker")


class Run:
    """A supervised run of stand-ins under one folder."""

    def __init__(self, path: Path, *, deaf: bool = False) -> None:
        self.folder = RunFolder(path)
        self.said: list[str] = []
        self.stopped: list[str] = []
        names = {"worker-0": "worker", "worker-1": "worker", "trainer": "trainer"}
        self.roles = [self._role(name, role, deaf=deaf) for name, role in names.items()]
        self.supervisor = Supervisor(
            folder=self.folder,
            bootstrap_servers="127.0.0.1:9",
            feature_repo=path / "feature_repo",
            roles=self.roles,
            broker=StandInBroker(self.stopped),
            say=self.said.append,
            stop_s=0.3 if deaf else 5.0,
        )
        for role in self.roles:
            role.start()

    def _role(self, name: str, role: str, *, deaf: bool) -> RoleProcess:
        argv = [sys.executable, "-S", str(SCRIPT), str(self.folder.path), name, role, *(["--deaf"] if deaf else [])]
        return RoleProcess(
            name=name,
            role=role,
            argv=argv,
            env={},
            log_path=self.folder.log_path(name),
            clock=SystemClock(),
            backoff=Backoff(first_s=0.01),
        )

    def tick_until(self, is_true: Callable[[], bool]) -> None:
        """Look again and again; pytest's time limit ends a wait in vain."""
        pause = Event()
        while not is_true():
            self.supervisor.tick()
            pause.wait(0.01)

    def endpoints(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.folder.endpoints_path.read_text())
        return found


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.supervisor.stop()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan waits for its new parent to take note of its end.
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_endpoints_appear_when_every_role_is_ready(run: Run) -> None:
    assert not run.folder.endpoints_path.exists()
    run.tick_until(lambda: run.supervisor.is_ready)

    found = run.endpoints()
    urls = run.supervisor.role_urls
    pids = [role.pid for role in run.roles]
    assert found == {
        "bootstrap_servers": "127.0.0.1:9",
        "feature_repo": str(run.folder.path / "feature_repo"),
        "metrics": {
            "worker": f"{urls['worker-0']}/metrics",
            "worker-1": f"{urls['worker-1']}/metrics",
            "trainer": f"{urls['trainer']}/metrics",
        },
        "gateway": None,
        "pids": {"broker": [12345], "worker": pids[:2], "trainer": pids[2:]},
    }


def test_a_killed_role_comes_back_and_endpoints_say_where(run: Run) -> None:
    run.tick_until(lambda: run.supervisor.is_ready)
    before = run.endpoints()
    victim = before["pids"]["worker"][0]
    os.kill(victim, signal.SIGKILL)
    run.tick_until(lambda: run.endpoints()["pids"]["worker"][0] != victim)

    after = run.endpoints()
    assert after["pids"]["worker"][0] == run.roles[0].pid
    assert after["pids"]["worker"][1] == before["pids"]["worker"][1]
    assert after["pids"]["trainer"] == before["pids"]["trainer"]
    assert run.said[0].startswith("worker-0 ended with signal 9")
    assert run.said[1] == f"worker-0 is ready again (pid {run.roles[0].pid})"


def test_stop_ends_everything_and_removes_the_addresses(run: Run) -> None:
    run.tick_until(lambda: run.supervisor.is_ready)
    pids = [role.pid for role in run.roles if role.pid is not None]
    run.supervisor.stop()

    assert [_is_alive(pid) for pid in pids] == [False, False, False]
    assert run.stopped == ["broker"]
    assert not run.folder.endpoints_path.exists()
    assert list((run.folder.path / "run").iterdir()) == []
    assert run.said == []


def test_a_deaf_role_is_killed_and_named(tmp_path: Path) -> None:
    run = Run(tmp_path, deaf=True)
    run.tick_until(lambda: run.supervisor.is_ready)
    pids = [role.pid for role in run.roles if role.pid is not None]
    run.supervisor.stop()

    assert [_is_alive(pid) for pid in pids] == [False, False, False]
    assert run.said == [
        f"{name} did not stop within 0 s and was killed" for name in ("worker-0", "worker-1", "trainer")
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent (PR_SET_PDEATHSIG)")
def test_roles_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    maker = subprocess.Popen(
        [sys.executable, str(ORPHAN_MAKER), str(tmp_path), str(SCRIPT)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )
    pause = Event()
    try:
        while not (tmp_path / "endpoints.json").exists():
            pause.wait(0.01)
        child = json.loads((tmp_path / "endpoints.json").read_text())["pids"]["worker"][0]
    finally:
        maker.kill()
        maker.wait()
    while _is_alive(child):
        pause.wait(0.01)

    RunFolder(tmp_path).lock()
