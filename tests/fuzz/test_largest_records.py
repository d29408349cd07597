"""The largest records that the contract allows: whatever follows from them fits into Kafka.

What Kafka refuses for its size fails the flush: the worker starts anew, reads the same event, and fails again.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streams.examples.records import Shown, decode_record
from streams.settings import CatalogueFields, RankingSettings
from tests.fuzz.memory_kafka import MemoryRecord
from tests.fuzz.whole_worker import WholeWorker, fuzz_settings
from tests.worker.event_log import START_MS

# A quotation mark takes two bytes in JSON: no id is longer there.
IDS = ['"' * 251 + f"{n:05d}" for n in range(2200)]
PER_EVENT = 450
FIELDS = CatalogueFields(affinity=("category", "note"), vectors={"vector": 256})


class Sender:
    """Sends events of one user with ids as long as they may be."""

    def __init__(self, worker: WholeWorker) -> None:
        self.worker, self._offset = worker, 0
        self.user = next(name for n in range(99) if worker.partition_of(name := '"' * 250 + f"{n:06d}") == 0)

    async def send(self, *events: dict[str, Any]) -> None:
        records = []
        for event in events:
            self._offset += 1
            common = {"event_id": f"e{self._offset}", "user_id": self.user, "occurred_at_ms": START_MS + self._offset}
            raw = json.dumps({**common, **event}).encode()
            records.append(MemoryRecord(self._offset, START_MS + self._offset, b"k", raw))
        await self.worker.ingest(0, records)
        await self.worker.flush()

    def learn(self, item_ids: list[str], **fields: Any) -> None:
        for n, item_id in enumerate(item_ids):
            raw = json.dumps({"item_id": item_id, **fields}).encode()
            assert self.worker.learn_items(0, [MemoryRecord(n, START_MS, b"i", raw)]) == 0


@pytest.fixture
async def sender(tmp_path: Path) -> AsyncIterator[Sender]:
    worker = WholeWorker(
        fuzz_settings(tmp_path, catalogue=FIELDS, ranking=RankingSettings(candidates=500)), ["training-examples"]
    )
    yield Sender(worker)
    assert worker.taken["refused"] == 0
    await worker.close()


def impression(item_ids: list[str]) -> dict[str, Any]:
    shown = [{"item_id": item_id, "position": n} for n, item_id in enumerate(item_ids)]
    return {"type": "impression", "slate_id": "s", "surface": "home", "items": shown}


def words(prefix: str) -> str:
    return " ".join(f"{prefix}{n}" for n in range(256))


async def test_a_list_of_items_with_long_texts_and_vectors_is_sent_in_parts(sender: Sender) -> None:
    shown = [f"i{n}" for n in range(500)]
    rich = {"title": words("t"), "text": words("x"), "tags": [f"t{n}" for n in range(256)], "vector": [0.5] * 256}
    sender.learn(shown, **rich)
    sender.worker.kafka.kept["training-examples"].clear()
    await sender.send(impression(shown))

    examples = [decode_record(one.value or b"") for one in sender.worker.kafka.kept["training-examples"]]
    parts = [one for one in examples if isinstance(one, Shown)]
    assert len(parts) > 1
    assert [part.part for part in parts] == list(range(len(parts)))
    assert [item_id for part in parts for item_id in part.items] == shown
    assert [place for part in parts for place in part.positions] == list(range(500))


async def test_a_slate_as_full_as_it_gets_fits_with_all_its_labels(sender: Sender) -> None:
    for start in range(0, len(IDS), PER_EVENT):
        part = IDS[start : start + PER_EVENT]
        asked = [{"item_id": item_id, "relevance": 0.123456789} for item_id in part]
        await sender.send(
            {"type": "rank", "request_id": "s", "surface": '"' * 256, "items": asked, "query": '"' * 1024}
        )
        await sender.send(impression(part))
    actions = [
        {
            "type": kind,
            "slate_id": "s",
            "item_id": item_id,
            **({"dwell_s": 12345.678, "is_final": False} if kind == "dwell" else {}),
        }
        for item_id in IDS
        for kind in ("click", "dwell", "cart", "order", "cancel", "dislike")
    ]
    for start in range(0, len(actions), 1000):
        await sender.send(*actions[start : start + 1000])

    assert sender.worker.taken["slate_full"] > 0


async def test_a_user_as_full_as_it_gets_fits(sender: Sender) -> None:
    """Long values of fields, long lists of our own on many surfaces, actions, visits, and answers."""
    for n, item_id in enumerate(IDS[:600]):
        sender.learn([item_id], category="c", fields={"note": f"{n}." + "x" * 40_000})
    for n in range(20):
        await sender.send({"type": "rank", "request_id": f"r{n}", "surface": f"s{n % 5}", "k": 500})
        await sender.send(impression(IDS[:PER_EVENT]) | {"slate_id": f"i{n}"})
    for item_id in IDS[:200]:
        visit = {"item_id": item_id, "slate_id": '"' * 250}
        await sender.send({"type": "click", **visit}, {"type": "dwell", "dwell_s": 3.5, **visit})
