"""A Redis for the length of a benchmark, when one is installed."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

__all__ = ["redis_server", "redis_version"]


@contextmanager
def redis_server(folder: Path) -> Iterator[str | None]:
    """Address of a Redis of our own, or none when it is not installed."""
    binary = shutil.which("redis-server")
    if binary is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [binary, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            Event().wait(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def redis_version() -> dict[str, str]:
    """The version of the installed server, by name; nothing when there is none."""
    binary = shutil.which("redis-server")
    if binary is None:
        return {}
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return {"redis-server": next((word[2:] for word in said.split() if word.startswith("v=")), said.strip())}
