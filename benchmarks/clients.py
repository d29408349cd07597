"""Events a second into Kafka and rankings a second out of it: our site clients beside three libraries, in one run.

Each contestant is a process of its own (client_roles.py, client_quix.py) on the same local Kafka and the same topics;
they take turns, round by round, and figures are medians. All producers are idempotent with `acks=all`, linger 5 ms,
batches of 64 KiB, no compression; from dictionaries to acknowledged JSON. The site client also checks each event
against the contract, and each ranking that it reads; its peers only make and read JSON. That all events are in the log
is checked. `cpu_us`: processor time of the process per record, which others on the machine change less.

Run `python -m benchmarks.clients --json FILE` (minutes; `--events 5000 --rankings 2000 --rounds 1` for a first look).
Quix Streams is taken from `.venv/quix`, where `make bench` puts it; `--quix-python` names another.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.client_job import WARM_UP, Answer, Job
from benchmarks.ingest_log import MIX, event_records
from benchmarks.machine import machine
from streams.kafka.admin import create_topics
from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.kafka.group_offsets import GroupOffsets
from streams.kafka.local_broker import LocalBroker
from streams.ranking.record import RankedItem, Ranking, ranking_key
from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["main"]

NUM_EVENTS, NUM_RANKINGS, ROUNDS, SEED, START_MS = 200_000, 40_000, 3, 0, 1_750_000_000_000
# Ours, the slowest, took 64 s to produce on two busy cores.
ANSWER_WITHIN_S = 300.0
LIST_ITEMS, SCORE_DIGITS, TASKS = 20, 8, ("click", "dwell", "cart", "order", "dislike")
OURS, QUIX = "site client", "Quix Streams"
PEERS = ("kafka-python", "confluent-kafka", QUIX)
Figures = dict[str, float]


def rankings(topic: str, num: int) -> Iterator[BulkRecord]:
    """Lists of 20 items as the worker publishes them."""
    rng = np.random.default_rng(SEED)
    for number in range(num):
        numbers = rng.integers(0, 100_000, LIST_ITEMS).tolist()
        chances = rng.random((LIST_ITEMS, len(TASKS))).round(SCORE_DIGITS).tolist()
        items = [
            RankedItem(
                item_id=f"item-{n:06d}", kind="product", score=row[0], predictions=dict(zip(TASKS, row, strict=True))
            )
            for n, row in zip(numbers, chances, strict=True)
        ]
        ranking = Ranking(
            slate_id=f"slate-{number:010d}", user_id=f"user-{number:06d}", surface="home", items=items, model_version=1,
            features_as_of_ms=START_MS, watermark_ms=START_MS, scored_at_ms=START_MS, cause="event",
            score_weights=dict.fromkeys(TASKS, 1.0),
        )  # fmt: skip
        key = ranking_key(ranking.user_id, ranking.surface).decode()
        yield BulkRecord(topic, key, ranking.model_dump_json().encode())


async def fill(settings: Settings, records: list[BulkRecord]) -> None:
    """Put records on their topic."""
    async with BulkSender(settings) as sender:
        await sender.send(records)
        await sender.flush()


@dataclass(slots=True)
class Race:
    """All contestants on one Kafka: their answers by name, or why there are none."""

    settings: Settings
    quix_python: Path
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def run(self, what: str, job: Job) -> None:
        """One round of everybody."""
        for who in (OURS, *PEERS):
            name = f"{what}, {who}"
            if name in self.failed:
                continue
            before = self._log_end(job.topic)
            try:
                self.answers.setdefault(name, []).append(self._answer(name, who, job))
            except (OSError, subprocess.SubprocessError) as error:
                said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
                if who == OURS:
                    raise RuntimeError(f"{name}: {said}") from error
                self.failed[name] = (said.strip().splitlines() or ["it said nothing"])[-1]
                continue
            if what == "produce":
                found, needed = self._log_end(job.topic) - before, job.num + min(job.num, WARM_UP)
                assert found == needed, f"{who} brought {found} records into the log, not {needed}"

    def _answer(self, name: str, who: str, job: Job) -> Answer:
        python, module = (self.quix_python, "client_quix") if who == QUIX else (sys.executable, "client_roles")
        command = [str(python), "-m", f"benchmarks.{module}", name, json.dumps(job)]
        env = self.settings.child_env()
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=ANSWER_WITHIN_S)
        said = json.loads(done.stdout)
        of = f"{QUIX}' " if who == QUIX else ""
        self.versions |= {f"{of}{library}": version for library, version in said.pop("versions").items()}
        return Answer(**said)

    def _log_end(self, topic: str) -> int:
        with GroupOffsets(self.settings) as offsets:
            return sum(offsets.ends([topic]).values())


def report(race: Race) -> dict[str, Any]:
    """Figures of all, and how many times faster we are."""
    found = {name: figures(answers) for name, answers in race.answers.items() if answers}
    by_who: dict[str, dict[str, Any]] = {}
    for name, one in {**found, **{name: {"failed": reason} for name, reason in race.failed.items()}}.items():
        what, _, who = name.partition(", ")
        by_who.setdefault(who, {})[what] = one
    ratios: dict[str, float] = {}
    for what in ("produce", "consume"):
        ours = found[f"{what}, {OURS}"]
        for peer in PEERS:
            if theirs := found.get(f"{what}, {peer}"):
                ratios[f"{what}, {OURS} / {peer}"] = ours["records_per_s"] / theirs["records_per_s"]
                ratios[f"{what}, processor time, {peer} / {OURS}"] = theirs["cpu_us"] / ours["cpu_us"]
    return {"own": by_who.pop(OURS), "peers": by_who, "ratios": ratios}


def figures(answers: list[Answer]) -> Figures:
    """Medians over rounds."""
    return {
        "records_per_s": median(answer.records / answer.seconds for answer in answers),
        "cpu_us": median(1e6 * answer.cpu_s / answer.records for answer in answers),
    }


def measure(settings: Settings, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """All rounds on one Kafka."""
    topics, file = topic_specs(settings), folder / "events.jsonl"
    events, lists = topics["events"].name, topics["rankings"].name
    lines = [record.value or b"" for record in event_records(events, arguments.events, SEED, START_MS)]
    file.write_bytes(b"\n".join(lines))
    held = list(rankings(lists, arguments.rankings))
    asyncio.run(fill(settings, held))
    race, where = Race(settings, arguments.quix_python), (settings.bootstrap_servers,)
    for _ in range(arguments.rounds):
        race.run("produce", Job(*where, events, settings.num_partitions, arguments.events, str(file)))
        race.run("consume", Job(*where, lists, settings.num_partitions, arguments.rankings, ""))
    facts = {
        "mix": MIX,
        "events": len(lines),
        "event_mean_bytes": sum(map(len, lines)) / len(lines),
        "rankings": len(held),
        "ranking_mean_bytes": sum(len(record.value or b"") for record in held) / len(held),
        "partitions": settings.num_partitions,
        "rounds": arguments.rounds,
    }
    return {"versions": race.versions, "facts": facts, **report(race)}


def main() -> None:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description="our site clients beside other Kafka clients")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--events", type=int, default=NUM_EVENTS)
    parser.add_argument("--rankings", type=int, default=NUM_RANKINGS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quix-python", type=Path, default=Path(sys.prefix, "quix", "bin", "python"))
    arguments = parser.parse_args()
    ran_on = machine()
    with (
        tempfile.TemporaryDirectory(prefix="freshrank-clients-") as folder,
        LocalBroker(Path(folder, "kafka"), cache_dir=Settings().cache_dir) as broker,
    ):
        given = {"bootstrap_servers": broker.bootstrap_servers, "data_dir": Path(folder)}
        settings = Settings().model_copy(update=given)
        create_topics(settings)
        result = {"machine": ran_on, **measure(settings, Path(folder), arguments)}
    text = json.dumps(result, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
