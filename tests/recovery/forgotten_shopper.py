"""A shopper who leaves traces in every store, and a search of all of them for anything that names him."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from streams.clock import SystemClock
from streams.erasure.local_stores import local_traces
from streams.features.history_spool import spooled
from streams.features.state_store import StateStore
from streams.settings import Settings
from streams.training.buffer_database import BufferDatabase
from tests.recovery.runs import records_of

COMPACTED = ("state-changelog", "rankings", "item-counts", "catalogue", "model-updates")


def visit(user_id: str, number: int, at_ms: int) -> list[dict[str, Any]]:
    """A list that is asked for, shown and clicked, on a surface of its own; ids of everything name the user."""
    slate = f"{user_id}-list-{number}"

    def event(kind: str, after_ms: int, **fields: Any) -> dict[str, Any]:
        made = {"type": kind, "event_id": f"{slate}-{kind}", "user_id": user_id, "occurred_at_ms": at_ms + after_ms}
        return {**made, "session_id": f"{user_id}-session", **fields}

    surface = ("home", "cart", "search")[number % 3]
    shown = [{"item_id": f"i{n}", "position": n} for n in range(5)]
    return [
        event("rank", 0, request_id=slate, surface=surface, query=f"{user_id} words"),
        event("impression", 10, slate_id=slate, surface=surface, items=shown),
        event("click", 500, item_id="i2", slate_id=slate),
        event("view", 510, item_id="i2"),
        event("dwell", 900, item_id="i2", slate_id=slate, dwell_s=4.0),
        event("cart", 1000, item_id="i2", price=9.5, quantity=1),
    ]


def minutes_ago(minutes: float) -> int:
    return SystemClock().now_ms() - int(minutes * 60_000)


async def traces(settings: Settings, user_id: str) -> list[str]:
    """Where anything names the user: every store through its own interface, and the bytes of files that have none."""
    user = user_id.encode()
    found = [where for where, content in _stores(settings.data_dir) if user in content]
    for short in COMPACTED:
        latest = {record.key: record for record in await records_of(settings, short)}
        found += [
            f"topic {short}" for key, r in latest.items() if r.value is not None and user in (key or b"") + r.value
        ]
    if (settings.data_dir / "feature_repo" / "feature_store.yaml").exists():
        rows = local_traces(settings.data_dir, user_id)
        found += ["Feast online store"] * (rows.feature_rows or 0) + ["history"] * (rows.history_rows or 0)
    return sorted(found)


def _stores(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of everything on disk. State and buffer must not be open anywhere.

    But for what RocksDB notes of files that are gone, their first and last keys: it is dropped when it opens again.
    """
    for state in sorted(folder.glob("state/*/partition-*")):
        store = StateStore(state)
        yield from ((f"state {state.name}", key + value) for key, value in list(store.scan(b"")))
        store.close()
    if (folder / "buffer").exists():
        database = BufferDatabase(folder / "buffer")
        yield from (("replay buffer", key + value) for key, value in list(database.scan(b"")))
        database.close()
    for part in folder.glob("feature_repo/history/*/*.parquet"):
        yield "history parts", str(pq.read_table(part).to_pylist()).encode()
    for spools in folder.glob("feature_repo/spool/*"):
        yield from (("history spool", str(rows.to_pylist()).encode()) for rows in spooled(spools))
    for name in ("models", "trainer", "feature_repo/online_store", "run"):
        for path in folder.glob(f"{name}/**/*"):
            if path.is_file() and not path.name.startswith("MANIFEST"):
                yield f"file {path.relative_to(folder)}", path.read_bytes()
    yield from ((f"log {path.name}", path.read_bytes()) for path in folder.glob("*.log"))
