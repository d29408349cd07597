"""Both demos end to end on a real Kafka, short: whatever the rankings became by then, nothing may be lost."""

import gzip
from pathlib import Path

import orjson
import pytest

from streams.clock import SystemClock
from streams.demo.crowd import Crowd, browse_virtually
from streams.demo.run_demo import DemoJob, format_of, run_demo
from streams.demo.world import World, WorldSpec
from streams.errors import InputFileError, StateError
from streams.kafka.local_broker import LocalBroker
from streams.settings import Settings

START_MS = 1_700_000_000_000
TOO_SHORT_TO_LEARN = {
    "rankings did not improve on the site's own order",
    "rankings did not improve on the order as shown",
}


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_shoppers_of_some_seconds_leave_nothing_behind_unaccounted(
    tmp_path: Path, kafka: LocalBroker, settings: Settings
) -> None:
    job = DemoJob(minutes=0.2, has_own_broker=False, data_dir=tmp_path / "run")
    result = run_demo(job, settings, SystemClock())

    assert set(result.verdict.problems) <= TOO_SHORT_TO_LEARN
    assert result.figures.events_sent > 500
    assert result.figures.lag == 0
    assert result.to_json()["facts"].keys() == {"lifetime totals", "training examples"}
    with pytest.raises(StateError, match="holds an earlier run"):
        run_demo(job, settings, SystemClock())


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_a_log_is_ranked_judged_and_accounted_for(tmp_path: Path, kafka: LocalBroker, settings: Settings) -> None:
    log = tmp_path / "log.jsonl.gz"
    log.write_bytes(_log_of_a_minute())
    result = run_demo(DemoJob(file=log, has_own_broker=False, data_dir=tmp_path / "run"), settings, SystemClock())

    assert set(result.verdict.problems) <= TOO_SHORT_TO_LEARN
    assert all(row.num_lists for row in result.figures.quality)
    assert set(result.figures.quality[-1].quality) == {"random", "as_shown", "item_ctr", "freshrank"}


def _log_of_a_minute() -> bytes:
    world = World(WorldSpec(seed=5, num_items=60, num_users=40))
    crowd = Crowd(world, 30, START_MS)
    events = browse_virtually(crowd, START_MS + 60_000, lambda r: [i["item_id"] for i in r.get("items", ())])
    items = [{"topic": "catalogue", "value": item} for item in world.catalogue()]
    lines = [*items, *({"topic": "events", "value": event} for event in events)]
    return gzip.compress(b"\n".join(orjson.dumps(line) for line in lines))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"event": "item", "id": "1"}', "metarank"),
        (b'{"topic": "events", "value": {}}', "freshrank"),
        (b'{"anything": 1}', "freshrank"),
    ],
)
def test_the_format_of_a_log_is_told_by_its_first_line(tmp_path: Path, line: bytes, expected: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(line + b"\n")

    assert format_of(log) == expected


@pytest.mark.parametrize("content", [b"", b"no json\n", b"[1]\n"])
def test_what_is_no_log_is_refused(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(content)

    with pytest.raises(InputFileError, match="needed a log, one JSON object a line"):
        format_of(log)
