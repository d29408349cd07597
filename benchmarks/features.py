"""Feature rows into and out of online stores: our own against Feast's SQLite and Redis stores, in one run.

Rows are `user_counters` with lists of a usual length. `online_write_batch` is Feast's own way to write (a message per
value, through its provider; making the messages counts), `writer` ours (`FeatureRowWriter.write`, history included).
Readers of our store are never its owner. Figures are medians of rounds that go through all stores in turn; a ratio
above 1 is in our favour. Run `python -m benchmarks.features --json FILE` (a minute; Redis takes part when
`redis-server` is installed).
"""

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from feast import FeatureStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import FloatList, StringList, Value
from pydantic import SecretStr

from benchmarks.machine import machine
from benchmarks.redis_server import redis_server, redis_version
from streams.features.feast_repo import prepare_repo
from streams.features.feast_store import RocksDictOnlineStore, partition_folder
from streams.features.feast_writer import FeatureRowWriter
from streams.features.rows import RowBatch, counter_columns, view_columns
from streams.settings import FeastSettings, Settings

__all__ = ["main"]

START_MS = 1_750_000_000_000
NUM_USERS, BATCH_ROWS, READ_ROWS, ROUNDS = 4_000, 1_000, 100, 7
NUM_RECENT, NUM_VALUES = 10, 5
VIEW = "user_counters"
LIBRARIES = ("freshrank", "feast", "rocksdict", "redis", "numpy", "protobuf")
Figures = dict[str, float]


def user_batch(settings: Settings, rng: np.random.Generator, at_ms: int, users: list[str]) -> RowBatch:
    """Rows of some users with plausible values."""
    n = len(users)
    times = np.full(n, at_ms, np.int64)
    columns = counter_columns(rng.integers(0, 1000, (n, 6)), rng.random((n, 3, 6)) * 50, times)
    columns["recent_items"] = [[f"item-{i}" for i in row] for row in rng.integers(0, 100_000, (n, NUM_RECENT))]
    for field in settings.catalogue.affinity:
        values = rng.integers(0, 500, (n, NUM_VALUES))
        columns[f"affinity_{field}_values"] = [[f"{field}-{value}" for value in row] for row in values]
        columns[f"affinity_{field}_weights"] = rng.random((n, NUM_VALUES)).tolist()
    return RowBatch(VIEW, users, times, columns)


def feast_rows(settings: Settings, batch: RowBatch) -> list[Any]:
    """The same rows as Feast's provider takes them: a message for every value."""
    wrap: dict[str, Callable[[Any], Value]] = {
        "int64": lambda value: Value(int64_val=int(value)),
        "float64": lambda value: Value(double_val=float(value)),
        "string_list": lambda value: Value(string_list_val=StringList(val=value)),
        "float_list": lambda value: Value(float_list_val=FloatList(val=value)),
    }
    columns = [(column.name, wrap[column.kind]) for column in view_columns(VIEW, settings.catalogue.affinity)]
    at = datetime.fromtimestamp(int(batch.event_at_ms[0]) / 1000, UTC)
    return [
        (entity_key(user), {name: make(batch.columns[name][row]) for name, make in columns}, at, None)
        for row, user in enumerate(batch.entity_ids)
    ]


def entity_key(user: str) -> EntityKey:
    """Feast's key of a user."""
    return EntityKey(join_keys=["user_id"], entity_values=[Value(string_val=user)])


class Bench:
    """One online store under test: a repo, a Feast store that writes, another that reads, and our writer if it can."""

    def __init__(self, name: str, folder: Path, settings: Settings, online_store: dict[str, Any] | None = None) -> None:
        self.name, self.settings, self.at_ms = name, settings, START_MS
        self.repo = prepare_repo(settings, folder / name)
        if online_store is not None:
            file = self.repo / "feature_store.yaml"
            file.write_text(json.dumps(json.loads(file.read_text()) | {"online_store": online_store}))
        self.store, self.reader = (FeatureStore(repo_path=str(self.repo)) for _ in range(2))
        self.view = self.store.get_feature_view(VIEW)
        if online_store is not None:
            self.store.apply([self.store.get_entity("user"), self.view])
        self.names = [f"{VIEW}:{feature.name}" for feature in self.view.features]
        self.writer = None if online_store else FeatureRowWriter(self.repo, settings)

    def batch(self, rng: np.random.Generator, users: list[str] | None = None) -> RowBatch:
        """A newer batch of the given users, or of random ones, as a flush would coalesce them."""
        self.at_ms += 1000
        random = [f"user-{n}" for n in rng.choice(NUM_USERS, BATCH_ROWS, replace=False)]
        return user_batch(self.settings, rng, self.at_ms, users or random)

    def fill(self, rng: np.random.Generator) -> None:
        """Give every user a row."""
        for first in range(0, NUM_USERS, BATCH_ROWS):
            rows = feast_rows(self.settings, self.batch(rng, [f"user-{first + n}" for n in range(BATCH_ROWS)]))
            self.store._get_provider().online_write_batch(self.store.config, self.view, rows, None)  # noqa: SLF001

    def own_by_store(self, *, is_owned: bool) -> None:
        """Let the store that writes by Feast's calls own all partitions of ours, or give them up."""
        online = self.store._get_provider().online_store  # noqa: SLF001
        if isinstance(online, RocksDictOnlineStore):
            folders = online.folders(self.store.config)
            for partition in range(self.settings.num_partitions):
                folder = partition_folder(self.store.config, self.view, partition)
                (folders.acquire if is_owned else folders.release)(folder)

    def own_by_writer(self) -> None:
        """Let our writer own all partitions, as a lone worker does."""
        assert self.writer is not None
        for partition in range(self.settings.num_partitions):
            self.writer.acquire(VIEW, partition)

    def write_by_provider(self, rng: np.random.Generator) -> float:
        """Rows a second, building the messages included."""
        batch = self.batch(rng)
        start = time.perf_counter()
        rows = feast_rows(self.settings, batch)
        self.store._get_provider().online_write_batch(self.store.config, self.view, rows, None)  # noqa: SLF001
        return len(batch) / (time.perf_counter() - start)

    def write_by_writer(self, rng: np.random.Generator) -> float:
        """Rows a second, history included."""
        assert self.writer is not None
        batch = self.batch(rng)
        start = time.perf_counter()
        self.writer.write(batch)
        return len(batch) / (time.perf_counter() - start)

    def read_by_provider(self, rng: np.random.Generator) -> float:
        """Rows a second through `provider.online_read`, all features."""
        keys = [entity_key(f"user-{n}") for n in rng.choice(NUM_USERS, READ_ROWS, replace=False)]
        start = time.perf_counter()
        self.reader._get_provider().online_read(self.reader.config, self.view, keys)  # noqa: SLF001
        return READ_ROWS / (time.perf_counter() - start)

    def read_by_sdk(self, rng: np.random.Generator) -> float:
        """Rows a second through `get_online_features`, all features."""
        asked = {"user_id": [f"user-{n}" for n in rng.choice(NUM_USERS, READ_ROWS, replace=False)]}
        start = time.perf_counter()
        self.reader.get_online_features(self.names, asked)
        return READ_ROWS / (time.perf_counter() - start)


def measure(benches: list[Bench], rng: np.random.Generator) -> dict[str, Figures]:
    """Figures of each store. Feast's way first, as our writer then owns the partitions, as a worker does."""
    found: dict[str, dict[str, list[float]]] = {bench.name: defaultdict(list) for bench in benches}
    for bench in benches:
        bench.own_by_store(is_owned=True)
        bench.fill(rng)
    for _ in range(ROUNDS):
        for bench in benches:
            found[bench.name]["online_write_batch_rows_per_s"].append(bench.write_by_provider(rng))
    with_writer = [bench for bench in benches if bench.writer is not None]
    for bench in with_writer:
        bench.own_by_store(is_owned=False)
        bench.own_by_writer()
        bench.write_by_writer(rng)
    for _ in range(ROUNDS):
        for bench in with_writer:
            found[bench.name]["writer_rows_per_s"].append(bench.write_by_writer(rng))
            found[bench.name]["first_read_after_write_ms"].append(READ_ROWS / bench.read_by_provider(rng) * 1000)
        for bench in benches:
            note = found[bench.name]
            note["online_read_rows_per_s"] += [bench.read_by_provider(rng) for _ in range(3)]
            note["get_online_features_rows_per_s"] += [bench.read_by_sdk(rng) for _ in range(3)]
    return {name: {figure: round(median(of), 2) for figure, of in notes.items()} for name, notes in found.items()}


def compare(own: Figures, peers: dict[str, Figures]) -> Figures:
    """How many times better we are, figure by figure, and our writer against each peer's only way to write."""
    ratios: Figures = {}
    for peer, figures in peers.items():
        for figure, theirs in figures.items():
            better = own[figure] / theirs if figure.endswith("rows_per_s") else theirs / own[figure]
            ratios[f"{figure}, {peer}"] = round(better, 2)
        by_feast = figures["online_write_batch_rows_per_s"]
        ratios[f"writer_rows_per_s / online_write_batch_rows_per_s, {peer}"] = round(
            own["writer_rows_per_s"] / by_feast, 2
        )
    return ratios


def open_benches(folder: Path, redis: str | None) -> list[Bench]:
    """The stores that can be measured here, ours first."""
    settings = Settings()
    benches = [
        Bench("rocksdict", folder, settings),
        Bench("sqlite", folder, settings, {"type": "sqlite", "path": str(folder / "online.db")}),
    ]
    if redis is not None:
        feast = FeastSettings(online_store="redis", redis_connection_string=SecretStr(redis))
        benches.append(Bench("redis", folder, settings.model_copy(update={"feast": feast})))
    return benches


def main() -> None:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description="feature rows into and out of online stores")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    ran_on = machine()
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as redis:
        peers = measure(open_benches(Path(folder), redis), np.random.default_rng(0))
    own = peers.pop("rocksdict")
    result = {
        "machine": ran_on,
        "versions": {name: version(name) for name in LIBRARIES} | {"SQLite": sqlite3.sqlite_version, **redis_version()},
        "facts": {"users": NUM_USERS, "rows_a_write": BATCH_ROWS, "rows_a_read": READ_ROWS, "rounds": ROUNDS},
        "own": own,
        "peers": peers,
        "ratios": compare(own, peers),
    }
    text = json.dumps(result, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
