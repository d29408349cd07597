"""Committed and end offsets, asked for often over one connection: for whoever waits for a group to arrive.

`lag_reader` answers people, with times and for any group; this answers a loop, in a few milliseconds.
"""

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient, OffsetSpec, TopicPartition
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, KafkaError, NotCoordinatorError

from streams.kafka.security import kafka_python_kwargs, unreachable
from streams.settings import Settings

__all__ = ["GroupOffsets", "Place"]

Place = tuple[str, int]
"""Topic and partition."""


class GroupOffsets:
    """Use as a context manager, from one thread at a time. Raises BrokerUnreachableError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        try:
            self._client: Any = KafkaAdminClient(**kafka_python_kwargs(settings))
        except KafkaError as error:
            raise unreachable(settings, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def has_committed(self, group: str, offsets: Mapping[Place, int]) -> bool:
        """Whether the group has committed up to these offsets everywhere."""
        committed = self.committed(group)
        return all(committed.get(place, 0) >= offset for place, offset in offsets.items())

    def committed(self, group: str) -> dict[Place, int]:
        """The offsets that the group has committed; none before it begins."""
        try:
            found = self._client.list_group_offsets([group]).get(group, {})
        except (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError):
            # On a new cluster the first question makes Kafka's own topic for commits.
            return {}
        except KafkaError as error:
            raise unreachable(self._settings, error) from error
        return {(tp.topic, tp.partition): place.offset for tp, place in found.items() if place.offset >= 0}

    def ends(self, topics: Iterable[str]) -> dict[Place, int]:
        """The end offset of every partition of these topics."""
        try:
            described = self._client.describe_topics(list(topics))
            places = [TopicPartition(t["name"], p["partition_index"]) for t in described for p in t["partitions"]]
            found = self._client.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
        except KafkaError as error:
            raise unreachable(self._settings, error) from error
        return {(tp.topic, tp.partition): place.offset for tp, place in found.items()}
