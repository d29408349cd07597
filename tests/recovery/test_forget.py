"""`freshrank forget` on the real system: afterwards no store names the user, whoever dies, whatever comes late."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.kafka.record_sender import OutRecord
from streams.settings import Settings
from streams.topics import topic_specs
from tests.recovery.forgotten_shopper import minutes_ago, traces, visit
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import drained, end_windows, live_log, prepare, send, send_records, with_settings
from tests.recovery.straight_run import rows_in_feast

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
USER, RETURNER = "shopper-7f3a", "returner"


def forget(settings: Settings, user_id: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "forget", user_id, "--json"],
        capture_output=True, text=True, check=False, cwd=ROOT, env=settings.child_env(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    receipt: dict[str, Any] = json.loads(done.stdout)
    return receipt


def came_back() -> list[dict[str, Any]]:
    """A visit, the wish to be forgotten, the visit sent once more, and a view later on."""
    known = {"user_id": RETURNER}
    gone = known | {"type": "forget", "event_id": "gone", "occurred_at_ms": minutes_ago(1)}
    later = known | {"type": "view", "event_id": "new", "item_id": "i1", "occurred_at_ms": minutes_ago(0)}
    return [*visit(RETURNER, 0, minutes_ago(2)), gone, *visit(RETURNER, 0, minutes_ago(2)), later]


async def send_bad_record(settings: Settings, user_id: str) -> None:
    topic = topic_specs(settings)["events"].name
    await send_records(settings, [OutRecord(topic, user_id.encode(), orjson.dumps({"user_id": user_id}))])


async def test_nothing_names_a_forgotten_user_and_late_events_do_not_bring_him_back(
    kafka: object, settings: Settings, nursery: RoleNursery
) -> None:
    settings = with_settings(settings, 3)
    await prepare(settings)
    log = live_log(40, seed=3)
    mine = [event for number in range(4) for event in visit(USER, number, minutes_ago(5 - number))]
    with Role("worker", settings, nursery) as worker, Role("trainer", settings, nursery) as trainer:
        await send(settings, log + mine)
        await send_bad_record(settings, USER)
        await end_windows(settings, log + mine)
        await drained(worker, trainer)
        before = rows_in_feast(settings, [USER], ["i1"])[0]
        receipt = forget(settings, USER)
        await send(settings, [*mine, *visit(USER, 9, minutes_ago(3)), *came_back()])
        await end_windows(settings, log + mine)
        await drained(worker, trainer)
        back = rows_in_feast(settings, [RETURNER], ["i1"])[0]
        refused = worker.counters()["of_forgotten", ""]
    left = await traces(settings, USER)

    assert before == {USER: [20, 4, 4, 4, 0, 16_000]}
    assert receipt["is_complete"] is True
    assert [(row["store"], row["left"]) for row in receipt["removed"]] == [
        ("worker state and its changelog", 0),
        ("topic rankings", 0),
        ("Feast online store", 0),
        ("Feast history", 0),
        ("replay buffer", 0),
    ]
    state, lists, rows, _, slates = [row["found"] for row in receipt["removed"]]
    assert (state >= 2, lists, rows, slates) == (True, 3, 1, 4)
    assert {row["store"] for row in receipt["expires"]} >= {"topic events", "topic training-examples", "topic rankings"}
    assert refused == len(mine) + 12
    assert left == []
    assert back == {RETURNER: [0, 1, 0, 0, 0, 0]}


async def test_killed_in_the_middle_it_ends_complete(kafka: object, settings: Settings, nursery: RoleNursery) -> None:
    """Both roles die as soon as a request is sent, and once the worker has seen one; others keep what they had."""
    settings = with_settings(settings, 1)
    await prepare(settings)
    users = [f"{USER}-{number}" for number in range(2)]
    mine = [event for user in users for event in visit(user, 0, minutes_ago(2))]
    other = visit("somebody-else", 1, minutes_ago(2))
    with Role("worker", settings, nursery) as worker, Role("trainer", settings, nursery) as trainer:
        await send(settings, mine + other)
        await end_windows(settings, mine)
        await drained(worker, trainer)
        for number, user in enumerate(users):
            seen = worker.status()["events"]
            gone = {"type": "forget", "event_id": "gone", "user_id": user, "occurred_at_ms": minutes_ago(0)}
            await send(settings, [gone])
            if number % 2:
                worker.wait_until(lambda status, seen=seen: status["events"] > seen)
            worker.kill()
            trainer.kill()
            worker.launch()
            trainer.launch()
            for role in (worker, trainer):
                role.wait_until(lambda status: status["ready"])
        await drained(worker, trainer)
        worker.wait_until(lambda _: worker.log.count("history_erased") > 0)
        kept = rows_in_feast(settings, ["somebody-else"], ["i1"])[0]
    left = [await traces(settings, user) for user in users]

    assert left == [[], []]
    assert kept == {"somebody-else": [5, 1, 1, 1, 0, 4_000]}
