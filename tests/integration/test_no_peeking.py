"""No list is scored with knowledge of its own clicks, or of anything after it: the real thing, in lock-step."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from streams.clock import SystemClock
from streams.demo.crowd import Crowd, browse_virtually
from streams.demo.world import World, WorldSpec
from streams.kafka.admin import admin_client
from streams.kafka.local_broker import LocalBroker
from streams.replay.evaluate_job import EvaluationJob, rank_log
from streams.replay.evaluation import Evaluation
from streams.replay.progress import ReplayProgress
from streams.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

START_MS = 1_700_000_000_000
LISTS_BEFORE = 320


@pytest.fixture(scope="module")
def log() -> list[dict[str, Any]]:
    """Shoppers of 100 seconds: the catalogue, then events that begin some 450 lists."""
    world = World(WorldSpec(seed=5, num_items=120, num_users=80))
    crowd = Crowd(world, 60, START_MS)
    events = browse_virtually(crowd, START_MS + 100_000, lambda r: [i["item_id"] for i in r.get("items", ())])
    items = [{"topic": "catalogue", "value": item} for item in world.catalogue()]
    return [*items, *({"topic": "events", "value": event} for event in events)]


def _with_another_future(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same log up to the last event before list number LISTS_BEFORE; after it, clicks go to other items."""
    lists, num_kept = 0, 0
    for number, line in enumerate(log):
        lists += line["topic"] == "events" and line["value"]["type"] == "rank" and "items" in line["value"]
        if lists > LISTS_BEFORE:
            num_kept = number
            break
    rng = np.random.default_rng(0)
    future = [orjson.loads(orjson.dumps(line)) for line in log[num_kept:]]
    for line in future:
        if "item_id" in line["value"]:
            line["value"]["item_id"] = f"item-{rng.integers(120):04d}"
    return [*log[:num_kept], *future]


def _written(folder: Path, lines: list[dict[str, Any]]) -> Path:
    folder.mkdir()
    file = folder / "log.jsonl"
    file.write_bytes(b"\n".join(orjson.dumps(line) for line in lines))
    return file


async def _ranked(lines: list[dict[str, Any]], folder: Path, kafka: LocalBroker, settings: Settings) -> Evaluation:
    file = _written(folder, lines)
    job = EvaluationJob(file=file, log_format="freshrank", has_own_broker=False, data_dir=folder / "run")
    base = settings.model_copy(update={"bootstrap_servers": kafka.bootstrap_servers})
    clock = SystemClock()
    with ReplayProgress("test", clock) as progress:
        return await rank_log(job, base, clock, progress)


async def test_another_future_changes_no_score_before_it(
    log: list[dict[str, Any]], tmp_path: Path, kafka: LocalBroker, settings: Settings
) -> None:
    """Also the proof that the same log gives the same scores, bit for bit: the two runs share only the log's past."""
    other = _with_another_future(log)
    first = await _ranked(log, tmp_path / "first", kafka, settings)
    second = await _ranked(other, tmp_path / "second", kafka, settings)

    assert first.unanswered() == []
    with admin_client(settings) as client:
        assert not [name for name in client.list_topics() if name.startswith(settings.topic_prefix)]
    assert any(one.model_version for one in first.lists[:LISTS_BEFORE]), "no model was in play: nothing is proved"
    for one, same in zip(first.lists[:LISTS_BEFORE], second.lists[:LISTS_BEFORE], strict=True):
        assert one.slate_id == same.slate_id
        assert one.model_version == same.model_version
        assert np.array_equal(one.scores["freshrank"], same.scores["freshrank"])
    changed = [
        not np.array_equal(one.scores["freshrank"], other_one.scores["freshrank"])
        for one, other_one in zip(first.lists[LISTS_BEFORE:], second.lists[LISTS_BEFORE:], strict=True)
    ]
    assert any(changed), "the futures differ, so some list after them must too: otherwise this test proves nothing"
