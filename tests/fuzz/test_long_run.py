"""A short run of `python -m tests.fuzz`: no crash, no stall, every record counted or dead-lettered."""

import json
from pathlib import Path
from random import Random

import pytest

from tests.events.sample_events import IMPRESSION
from tests.fuzz.long_run import OUTCOMES, Progress, check, fuzz
from tests.fuzz.mutations import BYTES, JSON

RECORDS = 4_000
SHOWN = [{"item_id": f"i{n}", "position": n} for n in range(4)]


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_mutated_record_is_counted_or_dead_lettered(tmp_path: Path, seed: int) -> None:
    told: list[Progress] = []
    worker = await fuzz(tmp_path, RECORDS, seed, told.append, every=1_000)

    assert told[-1].records >= RECORDS
    # The run is worth its name: each kind of outcome but the rarest came, and most reasons.
    assert {kind for kind in OUTCOMES if worker.taken[kind]} >= OUTCOMES - {"watermark", "of_forgotten"}
    assert len(worker.reasons) >= 10
    await worker.close()


async def test_a_record_that_is_lost_is_found(tmp_path: Path) -> None:
    worker = await fuzz(tmp_path, 500, 3, lambda _: None)
    worker.taken["view"] -= 1

    with pytest.raises(AssertionError, match="records, but"):
        check(worker, sum(worker.taken[kind] for kind in OUTCOMES) + 1, 0.0)
    await worker.close()


@pytest.mark.parametrize("mutation", [*BYTES, *JSON], ids=lambda one: one.__name__)
def test_a_mutation_changes_records_and_gives_bytes_of_any(mutation: object) -> None:
    raw, random = json.dumps(IMPRESSION | {"items": SHOWN}).encode(), Random(7)
    found = [mutation(random, raw) for _ in range(400)]  # type: ignore[operator]

    assert all(isinstance(one, bytes) for one in found)
    assert len({*found} - {raw}) >= 3
    assert isinstance(mutation(random, b"no JSON"), bytes)  # type: ignore[operator]
