"""A log into a real Kafka and what the commands say of it. No worker runs here."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer import Typer
from typer.testing import CliRunner

from streams.commands.dead_letters import dead_letters
from streams.commands.rank import rank
from streams.commands.replay import replay
from streams.errors import InputFileError, StalledError, TopicError
from streams.events.dead_letter import DeadLetter
from streams.events.rejection import Reason, Rejected
from streams.kafka.admin import create_topics
from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.kafka.partitioner import partition_for
from streams.kafka.topic_reader import read_topic
from streams.settings import Settings
from tests.events.ranklens import RANKLENS, needs_ranklens

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("kafka")]

T0 = 1_700_000_000_000


class Said(NamedTuple):
    stdout: str
    stderr: str


def run(settings: Settings, command: Callable[..., None], *arguments: str) -> Said:
    app = Typer()
    app.command()(command)
    done = CliRunner().invoke(app, arguments, env=settings.to_env(), catch_exceptions=False)
    return Said(done.stdout, done.stderr)


def search(user_id: str, number: int) -> dict[str, Any]:
    event = {
        "event_id": f"e{number}",
        "type": "search",
        "user_id": user_id,
        "occurred_at_ms": T0 + number,
        "query": "q",
    }
    return {"topic": "events", "value": event}


def log(tmp_path: Path, *lines: Any) -> str:
    file = tmp_path / "log.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return str(file)


def on_topic(settings: Settings, short: str) -> list[tuple[int, bytes | None, Any]]:
    records = read_topic(settings, settings.topic_prefix + short)
    return [(r.partition, r.key, None if r.value is None else json.loads(r.value)) for r in records]


def test_a_log_arrives_whole_keyed_and_in_the_order_of_each_user(settings: Settings, tmp_path: Path) -> None:
    create_topics(settings)
    events = [search(f"u{number % 7}", number) for number in range(3_000)]
    items = [{"topic": "catalogue", "value": {"item_id": "i"}}, {"topic": "catalogue", "key": "i", "value": None}]
    done = run(settings, replay, log(tmp_path, *items, *events), "--json")
    figures = json.loads(done.stdout)
    assert (figures["events_sent"], figures["items_sent"], figures["events_rejected"]) == (3_000, 2, 0)
    assert figures["events_per_s"] == pytest.approx(3_000 / figures["seconds"], rel=0.01)
    assert "no worker found" in done.stderr
    assert on_topic(settings, "catalogue") == [
        (partition_for("i", 3), b"i", {"item_id": "i"}), (partition_for("i", 3), b"i", None),
    ]  # fmt: skip
    arrived = on_topic(settings, "events")
    assert len(arrived) == 3_000
    for user in range(7):
        sent = [line["value"] for line in events[user::7]]
        assert [value for _, key, value in arrived if key == f"u{user}".encode()] == sent
        assert {partition for partition, key, _ in arrived if key == f"u{user}".encode()} == {
            partition_for(f"u{user}", 3)
        }


def test_rejected_lines_are_counted_and_sent_only_when_asked(settings: Settings, tmp_path: Path) -> None:
    create_topics(settings)
    file = log(tmp_path, search("u", 1), "{cut", {"topic": "events", "value": {"type": "clik", "user_id": "u"}})
    figures = json.loads(run(settings, replay, file, "--json").stdout)
    assert (figures["events_sent"], figures["rejected_by_reason"]) == (1, {"not_json": 1, "unknown_type": 1})
    assert len(on_topic(settings, "events")) == 1
    done = run(settings, replay, file, "--send-invalid")
    assert "replay: rejected line 2: not_json" in done.stderr
    assert "1 events and 0 items sent, 2 rejected" in done.stdout
    raws = [record.value for record in read_topic(settings, f"{settings.topic_prefix}events")]
    assert sorted(raw for raw in raws if raw and b"event_id" not in raw) == [b'{"type":"clik","user_id":"u"}', b"{cut"]


def test_close_windows_ends_each_partition_with_a_watermark(settings: Settings, tmp_path: Path) -> None:
    create_topics(settings)
    run(settings, replay, log(tmp_path, search("u", 5)), "--close-windows")
    marks = [(place, value) for place, _, value in on_topic(settings, "events") if value["type"] == "watermark"]
    assert [place for place, _ in marks] == [0, 1, 2]
    assert {value["occurred_at_ms"] for _, value in marks} == {T0 + 5 + 7 * 86_400_000 + 5_000 + 1}


def test_waiting_without_a_worker_gives_up_and_says_what_waits(settings: Settings, tmp_path: Path) -> None:
    create_topics(settings)
    with pytest.raises(StalledError, match=r"1 records wait on t\w+\.events after 1 s without a commit"):
        run(settings, replay, log(tmp_path, search("u", 1)), "--wait", "--stall-s", "1")


def test_a_log_of_another_format_is_an_error_that_says_so(settings: Settings, tmp_path: Path) -> None:
    create_topics(settings)
    with pytest.raises(InputFileError, match=r"none of its records could be sent .*correct --format"):
        run(settings, replay, log(tmp_path, {"event": "item"}))


def test_missing_topics_are_an_error_that_says_what_to_run(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(TopicError, match="freshrank topics"):
        run(settings, replay, log(tmp_path, search("u", 1)))


async def test_a_record_larger_than_a_batch_is_sent_in_its_place(settings: Settings) -> None:
    create_topics(settings)
    topic = f"{settings.topic_prefix}events"
    values = [b"a", b"b" * 1_500_000, b"c"]
    async with BulkSender(settings) as sender:
        await sender.send(BulkRecord(topic, "u", value) for value in values)
        await sender.flush()
        assert sender.offsets == {(topic, partition_for("u", 3)): 3}
    assert [record.value for record in read_topic(settings, topic)] == values
    assert [record.value for record in read_topic(settings, topic, newest=1)] == [b"c"]


@needs_ranklens
def test_ranklens_arrives_whole(settings: Settings) -> None:
    create_topics(settings)
    figures = json.loads(run(settings, replay, str(RANKLENS), "--format", "metarank", "--json").stdout)
    assert (figures["events_sent"], figures["items_sent"], figures["events_rejected"]) == (65_725, 2_512, 0)


def test_dead_letters_are_listed_explained_and_sent_again(settings: Settings) -> None:
    create_topics(settings)
    events, letters = (f"{settings.topic_prefix}{short}" for short in ("events", "dead-letters"))

    def letter(number: int, reason: Reason, value: bytes) -> BulkRecord:
        refusal = Rejected(0, reason, f"detail {number}")
        kept = DeadLetter.of(
            refusal, topic=events, partition=1, offset=number, key=b"u", value=value, rejected_at_ms=T0 + number
        )
        return BulkRecord(letters, f"u{number}", kept.encode())

    kept = [letter(1, "not_json", b"{"), letter(2, "too_large", b"x" * 99_999), letter(3, "empty", b"")]
    asyncio.run(send(settings, kept))
    shown = run(settings, dead_letters, "--last", "2", "--explain").stdout
    assert f"too_large  {events}[1]@2  99,999 B\n    detail 2\n    xxxx" in shown
    assert "too_large: The record is above 256 kB." in shown
    assert "2 listed" in shown
    found = json.loads(run(settings, dead_letters, "--all", "--reason", "not_json", "--json").stdout)
    assert [(one["offset"], one["rejected"]) for one in found["letters"]] == [(1, "ew==")]
    assert found["by_reason"] == {"not_json": 1, "too_large": 1, "empty": 1}
    assert on_events(settings) == []
    assert "2 sent again, 1 not" in run(settings, dead_letters, "--all", "--resend").stdout
    assert on_events(settings) == [(b"u", b"{"), (b"u", b"")]


async def send(settings: Settings, records: list[BulkRecord]) -> None:
    async with BulkSender(settings) as sender:
        await sender.send(records)
        await sender.flush()


def on_events(settings: Settings) -> list[tuple[bytes | None, bytes | None]]:
    return [(record.key, record.value) for record in read_topic(settings, f"{settings.topic_prefix}events")]


def test_a_rank_request_that_nobody_answers_says_so(settings: Settings) -> None:
    create_topics(settings)
    with pytest.raises(StalledError, match=r"no answer to request \w+ came within 0.5 s; needed: a running worker"):
        run(settings, rank, "u", "--query", "socks", "--item", "a", "--item", "b", "--timeout-s", "0.5")
    [(_, key, request)] = on_topic(settings, "events")
    assert (key, request["query"], request["items"]) == (b"u", "socks", [{"item_id": "a"}, {"item_id": "b"}])
