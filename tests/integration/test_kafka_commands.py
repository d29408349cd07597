"""`freshrank broker`, `topics` and `lag` as processes, against a real broker."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from streams.kafka.local_broker import LocalBroker
from streams.kafka.security import kafka_python_kwargs
from streams.settings import Settings

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "streams.cli"]


def freshrank(settings: Settings, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *args], capture_output=True, text=True, check=False, cwd=ROOT, env=settings.child_env()
    )


def as_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_topics_checks_makes_and_describes(kafka: LocalBroker, settings: Settings) -> None:
    before = freshrank(settings, "topics", "--check", "--json")
    assert before.returncode == 1
    assert {topic["state"] for topic in json.loads(before.stdout)["topics"]} == {"missing"}
    assert len(as_json(freshrank(settings, "topics", "--json"))["created"]) == 8
    again = as_json(freshrank(settings, "topics", "--json"))
    assert again["created"] == []
    assert {topic["state"] for topic in again["topics"]} == {"right"}
    assert freshrank(settings, "topics", "--check").returncode == 0


def test_topics_shows_names_whole_when_it_writes_to_a_pipe(kafka: LocalBroker, settings: Settings) -> None:
    shown = freshrank(settings, "topics").stdout
    assert f"{settings.topic_prefix}training-examples" in shown


def test_lag_prints_the_documented_json_and_exits_1_when_a_record_waits_too_long(
    kafka: LocalBroker, settings: Settings
) -> None:
    freshrank(settings, "topics")
    with KafkaProducer(**kafka_python_kwargs(settings)) as producer:
        producer.send(f"{settings.topic_prefix}events", b"{}", partition=2).get(timeout=30)
    report = as_json(freshrank(settings, "lag", "--json", "--max-lag-s", "600"))
    assert set(report) == {"partitions", "total_lag", "max_lag_s"}
    assert report["total_lag"] == 1
    waiting = [row for row in report["partitions"] if row["lag"]]
    assert [{**row, "lag_s": None} for row in waiting] == [
        {
            "group": settings.worker_group,
            "topic": f"{settings.topic_prefix}events",
            "partition": 2,
            "committed_offset": None,
            "end_offset": 1,
            "lag": 1,
            "lag_s": None,
        }
    ]
    assert 0 < waiting[0]["lag_s"] == report["max_lag_s"] < 600
    late = freshrank(settings, "lag", "--max-lag-s", "0.001")
    assert late.returncode == 1
    assert "allowed: 0.0 s" in late.stderr


def test_lag_of_a_group_that_nobody_knows_is_an_error(kafka: LocalBroker, settings: Settings) -> None:
    done = freshrank(settings, "lag", "--group", "mistyped", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: group 'mistyped' has committed no offset")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_broker_says_when_it_is_ready_and_stops_cleanly(settings: Settings, end: signal.Signals) -> None:
    command = [*COMMAND, "broker", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=settings.child_env(), text=True) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        assert facts["data_dir"] == str(settings.data_dir / "kafka")
        as_json(freshrank(settings, "topics", "--json", "--bootstrap-servers", facts["bootstrap_servers"]))
        process.send_signal(end)
        assert process.wait(30) == 0
    assert (settings.data_dir / "kafka" / "log" / ".kafka_cleanshutdown").exists()


def test_broker_fails_when_kafka_is_killed(settings: Settings) -> None:
    command = [*COMMAND, "broker", "--port", "0", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, cwd=ROOT, env=settings.child_env(), text=True) as process:
        assert process.stdout is not None
        os.kill(json.loads(process.stdout.readline())["pid"], signal.SIGKILL)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.startswith("error: Kafka ended by itself with exit code -9")
