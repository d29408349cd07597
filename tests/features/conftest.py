"""Feature repos and a real Redis for the tests of this room."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import ConnectionError as NoRedis

from streams.features.feast_repo import prepare_repo
from streams.features.rocks_memory import RocksMemory
from streams.settings import FeastSettings, Settings

NUM_PARTITIONS = 4
# A `$` must survive Feast's habit of putting environment variables into feature_store.yaml.
PASSWORD = "s3cret$HOME"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the rows of one view in its only partition."""
    return tmp_path / "view" / "000-of-001"


@pytest.fixture(scope="module")
def memory() -> RocksMemory:
    """What all row databases of a test module share."""
    return RocksMemory()


@pytest.fixture(scope="session")
def redis_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Feast's connection string of a real Redis on a free port, which asks for a password."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip(
            "redis-server is not installed (Debian: apt-get install redis-server); the Redis profile is not tested"
        )
    port = _free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--requirepass", PASSWORD]
    server = subprocess.Popen([binary, *options], cwd=tmp_path_factory.mktemp("redis"), stdout=subprocess.DEVNULL)
    try:
        _wait_until_it_answers(server, port)
        yield f"127.0.0.1:{port},password={PASSWORD}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def redis(redis_address: str) -> str:
    """The same Redis, empty."""
    _client(int(redis_address.split(":")[1].split(",", maxsplit=1)[0])).flushall()
    return redis_address


@pytest.fixture
def feast_settings(settings: Settings) -> Settings:
    """Settings of a run on our own store."""
    return settings.model_copy(update={"num_partitions": NUM_PARTITIONS})


@pytest.fixture(scope="session")
def applied_repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature repo on our own store, applied once, with no rows; copy it."""
    return prepare_repo(Settings(num_partitions=NUM_PARTITIONS), tmp_path_factory.mktemp("applied"))


@pytest.fixture
def repo(applied_repo: Path, tmp_path: Path) -> Path:
    """A feature repo of one's own. That a copy works elsewhere is part of the promise."""
    return shutil.copytree(applied_repo, tmp_path / "repo")


@pytest.fixture
def redis_settings(feast_settings: Settings, redis: str) -> Settings:
    """Settings of a run on Redis."""
    feast = FeastSettings(online_store="redis", redis_connection_string=SecretStr(redis))
    return feast_settings.model_copy(update={"feast": feast})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _client(port: int) -> "Redis[bytes]":
    return Redis(port=port, password=PASSWORD)


def _wait_until_it_answers(server: subprocess.Popen[bytes], port: int) -> None:
    while server.poll() is None:
        try:
            _client(port).ping()
        except NoRedis:
            Event().wait(0.02)
        else:
            return
    pytest.fail(f"redis-server ended with code {server.returncode} on port {port}")
