"""`freshrank up` as a user runs it: a process of its own, real roles, kill -9 on each, Ctrl-C at the end."""

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

from streams.errors import StateError
from streams.kafka.admin import describe_topics
from streams.kafka.local_broker import LocalBroker
from streams.observability.status_reader import is_healthy, read_samples, read_status
from streams.settings import Settings
from streams.supervisor.run_folder import RunFolder

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]


class Up:
    """One `freshrank up` under a folder."""

    def __init__(self, settings: Settings, *options: str) -> None:
        self.folder, self.log = settings.data_dir, settings.data_dir.with_suffix(".out")
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", "up", "--data-dir", str(self.folder), *options],
                cwd=ROOT, stderr=out, stdout=out, env=settings.child_env(),
            )  # fmt: skip

    def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Ask again and again; pytest's time limit ends a wait in vain, and the process's own end at once."""
        pause = Event()
        while not is_true():
            assert self.process.poll() is None, self.log.read_text()
            pause.wait(0.05)

    @property
    def is_ready(self) -> bool:
        return (self.folder / "endpoints.json").exists()

    def endpoints(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "endpoints.json").read_text())
        return found

    def pid(self, role: str) -> int:
        [pid] = self.endpoints()["pids"][role]
        return int(pid)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    up = Up(Settings(num_partitions=2, data_dir=tmp_path_factory.mktemp("up") / "run"))
    up.wait_until(lambda: up.is_ready)
    yield up
    up.process.terminate()
    assert up.process.wait(30) == 0


def test_everything_is_where_endpoints_say(up: Up) -> None:
    found = up.endpoints()

    assert list(found) == ["bootstrap_servers", "feature_repo", "metrics", "gateway", "pids"]
    assert found["gateway"] is None
    assert (Path(found["feature_repo"]) / "feature_store.yaml").exists()
    assert set(found["pids"]) == {"broker", "worker", "trainer"}
    for role, url in found["metrics"].items():
        base = url.removesuffix("/metrics")
        assert is_healthy(base)
        assert (read_status(base) or {})["role"] == role
        assert "freshrank_ready" in {sample.name for sample in read_samples(base)}
    settings = Settings(bootstrap_servers=found["bootstrap_servers"], num_partitions=2)
    assert all(state.is_right for state in describe_topics(settings))


def test_a_folder_in_use_is_refused(up: Up) -> None:
    with pytest.raises(StateError, match=f"pid {up.process.pid}"):
        RunFolder(up.folder).lock()


@pytest.mark.parametrize("role", ["worker", "trainer", "broker"])
def test_a_killed_part_comes_back_and_endpoints_say_where(up: Up, role: str) -> None:
    before = up.endpoints()
    os.kill(up.pid(role), signal.SIGKILL)
    up.wait_until(lambda: up.endpoints()["pids"].get(role) not in (None, before["pids"][role]))

    after = up.endpoints()
    assert after["bootstrap_servers"] == before["bootstrap_servers"]
    others = {"broker", "worker", "trainer"} - {role}
    if role != "broker":
        assert {name: after["pids"][name] for name in others} == {name: before["pids"][name] for name in others}
        up.wait_until(lambda: is_healthy(up.endpoints()["metrics"][role].removesuffix("/metrics")))


def test_with_a_given_kafka_ctrl_c_stops_the_roles_in_seconds_with_exit_code_0(
    kafka: LocalBroker, settings: Settings
) -> None:
    up = Up(settings, "--bootstrap-servers", kafka.bootstrap_servers, "--workers", "2", "--json")
    try:
        up.wait_until(lambda: up.is_ready)
        found = up.endpoints()
        pids = [pid for pids in found["pids"].values() for pid in pids]
        up.process.send_signal(signal.SIGINT)
        exit_code = up.process.wait(30)
    finally:
        up.process.kill()

    assert exit_code == 0
    assert {role: len(pids) for role, pids in found["pids"].items()} == {"worker": 2, "trainer": 1}
    assert set(found["metrics"]) == {"worker", "worker-1", "trainer"}
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not up.is_ready
    said = up.log.read_text()
    assert json.loads(said[said.index("{") : said.rindex("}") + 1]) == found
    assert said.splitlines()[-2:] == ["stopping …", "stopped"]
