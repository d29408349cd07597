"""Sends records from a thread of its own, so that a page never waits for Kafka: a full buffer drops, and says so.

kafka-python blocks for metadata and buffers without a limit; here the caller only takes a place in a bounded buffer.
The thread starts with the first record (so a process may fork before) and goes on trying while no broker answers or a
topic is missing. It never sends to a missing topic: kafka-python would make it, with too few partitions for ever.
"""

import atexit
import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError

from streams.errors import BrokerUnreachableError, TopicError
from streams.kafka.admin import admin_client
from streams.kafka.security import kafka_python_kwargs
from streams.settings import Settings

__all__ = ["BackgroundSender", "Buffered"]

log = logging.getLogger(__name__)

LINGER_MS = 5
# How long a thread that is still connecting or sending may hold up `close`, after the flush.
CLOSE_S = 2.0
BATCH_BYTES = 64 << 10
MAX_REQUEST_BYTES = 2 << 20
RETRY_S = 0.5


class Buffered(NamedTuple):
    """A record on its way. `value` None is a tombstone."""

    topic: str
    key: bytes
    value: bytes | None


OnDrop = Callable[[Buffered, str], None]


class BackgroundSender:
    """An idempotent producer for `topics` behind a bounded buffer. Records of one key stay in order."""

    def __init__(
        self, settings: Settings, topics: Iterable[str], *, max_buffered: int, on_drop: OnDrop | None = None
    ) -> None:
        self._settings, self._topics = settings, frozenset(topics)
        self._max_buffered, self._on_drop = max_buffered, on_drop
        self._queue: SimpleQueue[Buffered | None] = SimpleQueue()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closing = threading.Event()
        self._is_closed = False
        self._pending = 0
        self.delivered = 0
        self.dropped = 0

    def offer(self, record: Buffered, max_block_s: float) -> bool:
        """Take a record, or drop it when no place comes free within `max_block_s`. True when taken."""
        with self._changed:
            if self._is_closing.is_set():
                raise RuntimeError("the producer was closed; make a new one")
            if self._changed.wait_for(lambda: self._pending < self._max_buffered, max_block_s):
                self._pending += 1
                self._start()
                self._queue.put(record)
                return True
            self.dropped += 1
        self._tell(record, f"the buffer of {self._max_buffered} records stayed full for {max_block_s:g} s")
        return False

    def flush(self, timeout_s: float) -> bool:
        """Wait until every taken record is delivered or dropped. False when `timeout_s` was too short."""
        with self._changed:
            return self._changed.wait_for(lambda: self._pending == 0, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Flush, then stop; what is not delivered by then is dropped and counted. A second call does nothing."""
        if self._is_closing.is_set():
            return
        self.flush(timeout_s)
        with self._changed:
            self._is_closing.set()
            self._queue.put(None)
        if self._thread is not None:
            atexit.unregister(self._close_at_exit)
            self._thread.join(CLOSE_S)
        self._drop_rest()
        with self._changed:
            self.dropped, self._pending, self._is_closed = self.dropped + self._pending, 0, True

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="freshrank-producer", daemon=True)
            self._thread.start()
            atexit.register(self._close_at_exit)

    def _close_at_exit(self) -> None:
        self.close(timeout_s=5.0)

    def _run(self) -> None:
        producer = self._connected()
        try:
            while producer is not None and (record := self._queue.get()) is not None:
                self._send(producer, record)
        finally:
            if producer is not None:
                producer.close(timeout=CLOSE_S / 2)
            self._drop_rest()

    def _connected(self) -> KafkaProducer | None:
        while not self._is_closing.is_set():
            try:
                self._require_topics()
                return KafkaProducer(
                    **kafka_python_kwargs(self._settings),
                    linger_ms=LINGER_MS,
                    batch_size=BATCH_BYTES,
                    max_request_size=MAX_REQUEST_BYTES,
                )
            except (KafkaError, BrokerUnreachableError, TopicError) as error:
                log.warning("events wait in memory, trying again: %s", error)
                self._is_closing.wait(RETRY_S)
        return None

    def _require_topics(self) -> None:
        with admin_client(self._settings) as admin:
            if missing := self._topics.difference(topic["name"] for topic in admin.describe_topics()):
                raise TopicError(f"topic {', '.join(sorted(missing))} was not found; make it with `freshrank topics`")

    def _send(self, producer: KafkaProducer, record: Buffered) -> None:
        try:
            future = producer.send(record.topic, record.value, key=record.key)
        except (KafkaError, ValueError) as error:
            self._done(record, str(error) or type(error).__name__)
        else:
            future.add_callback(lambda _: self._done(record, None))
            future.add_errback(partial(self._failed, record))

    def _failed(self, record: Buffered, error: BaseException) -> None:
        self._done(record, str(error) or type(error).__name__)

    def _done(self, record: Buffered, failure: str | None) -> None:
        with self._changed:
            if self._is_closed:
                return
            self._pending -= 1
            self.delivered += failure is None
            self.dropped += failure is not None
            self._changed.notify_all()
        if failure is not None:
            self._tell(record, failure)

    def _drop_rest(self) -> None:
        while not self._queue.empty():
            if (record := self._queue.get()) is not None:
                self._done(record, "the producer was closed before a broker took it")

    def _tell(self, record: Buffered, why: str) -> None:
        if self._on_drop is None:
            return
        try:
            self._on_drop(record, why)
        except Exception:
            log.exception("on_drop itself failed; the record stays counted as dropped")
