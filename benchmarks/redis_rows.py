"""Memory that a feature row takes in Redis, written as the scaled-out profile does; none where it is not installed."""

import subprocess
from pathlib import Path

import numpy as np
from pydantic import SecretStr

from benchmarks.features import BATCH_ROWS, START_MS, user_batch
from benchmarks.redis_server import redis_server
from streams.features.feast_repo import prepare_repo
from streams.features.feast_writer import FeatureRowWriter
from streams.settings import FeastSettings, Settings

__all__ = ["redis_row_bytes"]

NUM_ROWS = 20_000


def redis_row_bytes(folder: Path) -> float | None:
    """Bytes of Redis for one user's row with lists of a usual length, its share of Redis' own tables included."""
    with redis_server(folder) as address:
        if address is None:
            return None
        feast = FeastSettings(online_store="redis", redis_connection_string=SecretStr(address))
        settings = Settings().model_copy(update={"feast": feast})
        writer = FeatureRowWriter(prepare_repo(settings, folder / "redis-repo"), settings)
        rng, before = np.random.default_rng(0), _used_bytes(address)
        for first in range(0, NUM_ROWS, BATCH_ROWS):
            users = [f"user-{first + number:06d}" for number in range(BATCH_ROWS)]
            writer.write(user_batch(settings, rng, START_MS, users))
        used = _used_bytes(address) - before
        writer.close()
        return used / NUM_ROWS


def _used_bytes(address: str) -> int:
    command = ["redis-cli", "-p", address.rpartition(":")[2], "info", "memory"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return int(next(line for line in lines if line.startswith("used_memory:")).partition(":")[2])
