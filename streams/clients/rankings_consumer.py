"""The site's client for `rankings`: iterate them as they come, or keep the newest per user and surface in memory.

Reads all partitions itself, outside any consumer group, so every process of a site sees every ranking. One consumer is
either iterated or kept in memory, not both: kafka-python's consumer belongs to one thread.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Any, Literal, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from pydantic import ValidationError

from streams.errors import TopicError
from streams.kafka.security import kafka_python_kwargs, unreachable
from streams.ranking.record import Ranking
from streams.settings import Settings

__all__ = ["RankingsConsumer"]

POLL_MS = 200


class RankingsConsumer:
    """Rankings of all users, or of `user_ids`. Use as a context manager, or `close` it at the end.

    `start`: "newest" gives what is published from now on, "beginning" all that the topic still holds.
    `bootstrap_servers` overrides the one of `settings`, which come from the environment when left out.
    `max_kept`: lists kept in memory; those read or updated longest ago leave first.
    Raises BrokerUnreachableError or TopicError when it cannot start.
    """

    def __init__(
        self,
        bootstrap_servers: str | None = None,
        *,
        settings: Settings | None = None,
        user_ids: Collection[str] | None = None,
        start: Literal["newest", "beginning"] = "newest",
        max_kept: int = 100_000,
    ) -> None:
        settings = settings or Settings()
        if bootstrap_servers is not None:
            settings = settings.model_copy(update={"bootstrap_servers": bootstrap_servers})
        self._user_ids = None if user_ids is None else frozenset(user_ids)
        self._max_kept = max_kept
        self._kept: OrderedDict[tuple[str, str], Ranking] = OrderedDict()
        self._lock, self._polling = threading.Lock(), threading.Lock()
        self._is_closed, self._is_caught_up = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.undecodable = 0
        self._consumer, self._ends = _positioned(settings, start)

    def __iter__(self) -> Iterator[Ranking]:
        """Rankings in the order of their partitions, waiting for more, until `close` is called from another thread."""
        if self._thread is not None:
            raise RuntimeError("this consumer keeps rankings in memory already; make another one to iterate")
        while not self._is_closed.is_set():
            yield from self.poll(POLL_MS)

    def poll(self, timeout_ms: int) -> list[Ranking]:
        """Rankings that came within `timeout_ms`; returns early with the first of them."""
        rankings = [self._decoded(record) for record in self._records(timeout_ms)]
        return [ranking for ranking in rankings if ranking is not None]

    def _records(self, timeout_ms: int) -> list[Any]:
        with self._polling:
            batches: dict[Any, list[Any]] = (
                {} if self._is_closed.is_set() else self._consumer.poll(timeout_ms=timeout_ms)
            )
        return [record for records in batches.values() for record in records]

    def keep_latest(self, timeout_s: float = 30.0) -> bool:
        """Start keeping the newest list of each user and surface in memory, by a thread in the background.

        Returns True when everything published before this consumer was made is there; False: not within `timeout_s`.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="freshrank-rankings", daemon=True)
            self._thread.start()
        return self._is_caught_up.wait(timeout_s)

    def latest(self, user_id: str, surface: str = "home") -> Ranking | None:
        """The newest list of a user, None when there is none yet. Starts `keep_latest` when that was not done."""
        if self._thread is None:
            self.keep_latest()
        with self._lock:
            ranking = self._kept.get((user_id, surface))
            if ranking is not None:
                self._kept.move_to_end((user_id, surface))
            return ranking

    def close(self) -> None:
        """Stop and disconnect."""
        self._is_closed.set()
        if self._thread is not None:
            self._thread.join()
        with self._polling:
            self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _follow(self) -> None:
        while not self._is_closed.is_set():
            self._keep(self._records(POLL_MS))
            if not self._is_caught_up.is_set() and self._has_reached_ends():
                self._is_caught_up.set()

    def _has_reached_ends(self) -> bool:
        return all(self._consumer.position(tp) >= end for tp, end in self._ends.items())

    def _keep(self, records: list[Any]) -> None:
        with self._lock:
            for record in records:
                if record.value is None and record.key is not None:
                    user_id, _, surface = record.key.decode(errors="replace").partition("\0")
                    self._kept.pop((user_id, surface), None)
                ranking = self._decoded(record)
                if ranking is None:
                    continue
                key = (ranking.user_id, ranking.surface)
                self._kept[key] = ranking
                self._kept.move_to_end(key)
            while len(self._kept) > self._max_kept:
                self._kept.popitem(last=False)

    def _decoded(self, record: Any) -> Ranking | None:
        if record.value is None or not self._may_be_wanted(record.key):
            return None
        try:
            ranking = Ranking.model_validate_json(record.value)
        except ValidationError:
            self.undecodable += 1
            return None
        return ranking if self._user_ids is None or ranking.user_id in self._user_ids else None

    def _may_be_wanted(self, key: bytes | None) -> bool:
        """Judges by the key, user NUL surface, so that lists of others are not decoded."""
        if self._user_ids is None or key is None:
            return True
        return key.partition(b"\0")[0].decode(errors="replace") in self._user_ids


def _positioned(settings: Settings, start: str) -> tuple[Any, dict[TopicPartition, int]]:
    """A consumer of all partitions at its first offsets, and where each partition ends now."""
    topic = f"{settings.topic_prefix}rankings"
    try:
        consumer = KafkaConsumer(
            **kafka_python_kwargs(settings),
            group_id=None,
            enable_auto_commit=False,
            allow_auto_create_topics=False,
        )
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            consumer.close()
            raise TopicError(f"topic {topic} was not found; it holds the rankings: run `freshrank topics` to make it")
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        ends: dict[TopicPartition, int] = consumer.end_offsets(partitions)
        firsts = ends if start == "newest" else consumer.beginning_offsets(partitions)
        for partition in partitions:
            consumer.seek(partition, firsts[partition])
    except KafkaError as error:
        raise unreachable(settings, error) from error
    return consumer, ends
