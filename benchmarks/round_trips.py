"""Waits of single requests, one after another: through Kafka alone, a stock Faust agent, and the worker.

All of these use the same client (`aiokafka`, where nothing waits for a batch to fill), so that the differences say what
each part adds. `site`: the worker's list by the site's own clients, as a Python site has it.
"""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import faust
import numpy as np
import orjson
import uvloop
from aiokafka.structs import ConsumerRecord

from benchmarks.ingest_log import NUM_ITEMS
from streams.clients.event_producer import EventProducer
from streams.clients.rankings_consumer import RankingsConsumer
from streams.clock import SystemClock
from streams.kafka.admin import admin_client
from streams.kafka.record_sender import OutRecord, RecordSender
from streams.kafka.tail import TopicTail
from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["GIVEN_UP_MS", "KINDS", "RoundTrips"]

KINDS = ("kafka", "faust", "own", "given", "site")
SURFACE = "probe"
NUM_PROBE_USERS, NUM_CANDIDATES = 2_000, 200
ANSWER_WITHIN_S, POLL_MS = 10.0, 100
GIVEN_UP_MS = 1000 * ANSWER_WITHIN_S
_START = "from benchmarks.round_trips import run_agent; run_agent()"


class RoundTrips:
    """Asks with `wait_ms`. Use as an async context manager; users are the most active ones of the ingest log."""

    def __init__(self, settings: Settings, seed: int = 0) -> None:
        self._settings, self._clock, self._rng = settings, SystemClock(), np.random.default_rng(seed)
        self._events, rankings = (topic_specs(settings)[short].name for short in ("events", "rankings"))
        self._to_agent, self._back = f"{settings.topic_prefix}bench-in", f"{settings.topic_prefix}bench-out"
        self._sender = RecordSender(settings)
        self._tails = [
            TopicTail(settings, rankings, self._on_rankings),
            TopicTail(settings, self._back, self._on_back),
        ]
        self._waiting: dict[str, asyncio.Future[float]] = {}
        self.request_ids: dict[str, list[str]] = {kind: [] for kind in KINDS}

    async def __aenter__(self) -> Self:
        with admin_client(self._settings) as admin:
            wanted = {name: {"num_partitions": 1, "replication_factor": 1} for name in (self._to_agent, self._back)}
            admin.create_topics(wanted)
            admin.wait_for_topics(list(wanted))
        self._agent = self._started_agent()
        await self._sender.start()
        for tail in self._tails:
            await tail.start()
        self._site = EventProducer(settings=self._settings)
        self._rankings = RankingsConsumer(settings=self._settings, user_ids=[_user(n) for n in range(NUM_PROBE_USERS)])
        for kind in KINDS:
            await self._first(kind)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._site.close()
        self._rankings.close()
        for tail in self._tails:
            await tail.stop()
        await self._sender.stop()
        self._agent.terminate()
        self._agent.wait()

    def _started_agent(self) -> subprocess.Popen[bytes]:
        names = [self._to_agent, self._back]
        command = [sys.executable, "-c", _START, *names]
        # Faust shows a spinner on standard output, where our figures go.
        return subprocess.Popen(command, env=self._settings.child_env(), stdout=subprocess.DEVNULL)

    async def measure(self, kinds: Sequence[str], num: int, pause_s: float = 0.0) -> dict[str, list[float]]:
        """`num` waits of each kind in turn, in milliseconds; `GIVEN_UP_MS` of one that was not answered in time."""
        waits: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(num):
            for kind in kinds:
                try:
                    waits[kind].append(await self.wait_ms(kind))
                except TimeoutError:
                    waits[kind].append(GIVEN_UP_MS)
                if pause_s:
                    await asyncio.sleep(pause_s)
        return waits

    async def wait_ms(self, kind: str) -> float:
        """From asking to the answer. Raises TimeoutError."""
        request_id, user = uuid.uuid4().hex, _user(int(self._rng.integers(NUM_PROBE_USERS)))
        self.request_ids[kind].append(request_id)
        if kind == "site":
            return await asyncio.to_thread(self._ask_as_site, request_id, user)
        topic = {"kafka": self._back, "faust": self._to_agent}.get(kind, self._events)
        value = b"" if topic != self._events else self._request(kind, request_id, user)
        key = user if topic == self._events else request_id
        answered = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        began_s = self._clock.monotonic_s()
        await self._sender.send([OutRecord(topic, key.encode(), value)])
        ended_s: float = await asyncio.wait_for(answered, ANSWER_WITHIN_S)
        return 1000 * (ended_s - began_s)

    async def _first(self, kind: str) -> None:
        """Connections are made and Faust has its partition when this returns."""
        while True:
            try:
                await self.wait_ms(kind)
            except TimeoutError:
                continue
            self.request_ids[kind].clear()
            return

    def _request(self, kind: str, request_id: str, user: str) -> bytes:
        request = {
            "type": "rank", "event_id": request_id, "request_id": request_id, "user_id": user, "surface": SURFACE,
            "occurred_at_ms": self._clock.now_ms(),
        }  # fmt: skip
        if kind == "given":
            chosen = self._rng.choice(NUM_ITEMS, NUM_CANDIDATES, replace=False).tolist()
            request["items"] = [{"item_id": f"item-{number:06d}"} for number in chosen]
        return orjson.dumps(request)

    def _ask_as_site(self, request_id: str, user: str) -> float:
        began_s = self._clock.monotonic_s()
        self._site.rank(user, SURFACE, request_id=request_id)
        while self._clock.monotonic_s() - began_s < ANSWER_WITHIN_S:
            if any(ranking.slate_id == request_id for ranking in self._rankings.poll(POLL_MS)):
                return 1000 * (self._clock.monotonic_s() - began_s)
        raise TimeoutError(f"request {request_id} was not answered within {ANSWER_WITHIN_S:g} s")

    def _on_back(self, _: int, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        for record in records:
            self._answer((record.key or b"").decode())

    def _on_rankings(self, _: int, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        for record in records:
            if record.value is not None and (record.key or b"").endswith(f"\0{SURFACE}".encode()):
                self._answer(orjson.loads(record.value)["slate_id"])

    def _answer(self, request_id: str) -> None:
        answered = self._waiting.pop(request_id, None)
        if answered is not None and not answered.done():
            answered.set_result(self._clock.monotonic_s())


def run_agent() -> None:
    """The process of a stock Faust agent that hands every record on, as Faust's users start with it."""
    settings, (taken, given) = Settings(), sys.argv[1:]
    app = faust.App(
        f"{settings.topic_prefix}bench-agent", broker=f"kafka://{settings.bootstrap_servers}",
        consumer_auto_offset_reset="earliest", topic_disable_leader=True, topic_allow_declare=False,
        datadir=settings.data_dir / "bench-agent", web_enabled=False, store="memory://", autodiscover=False,
    )  # fmt: skip
    given_topic = app.topic(given, value_serializer="raw", key_serializer="raw")

    async def hand_on(stream: faust.StreamT[bytes]) -> None:
        async for key, value in stream.items():
            await given_topic.send(key=key, value=value)

    app.agent(app.topic(taken, value_serializer="raw", key_serializer="raw"))(hand_on)
    uvloop.install()
    faust.Worker(app, loglevel="ERROR").execute_from_commandline()


def _user(number: int) -> str:
    return f"user-{number:06d}"
