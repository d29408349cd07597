"""One `freshrank forget`: look for the user, send the event, wait until all roles are through, and look again.

What the roles removed is not taken from their word: the changelog, the lists, Feast, the buffer and the history are
read before and after. Killed in between, it is repeated: the event is on the log, and a second one does no harm.
"""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from streams.clients.event_producer import EventProducer
from streams.clock import Clock
from streams.erasure.expiry import expiring
from streams.erasure.local_stores import LocalTraces, local_traces
from streams.erasure.receipt import Receipt, Removed
from streams.erasure.traces import ListTraces, StateTraces
from streams.errors import BrokerUnreachableError, StalledError
from streams.kafka.admin import require_topics, topic_configs
from streams.kafka.group_offsets import GroupOffsets, Place
from streams.kafka.partitioner import partition_for
from streams.kafka.tail import read_partition
from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["forget_user"]

POLL_S = 0.1
Tell = Callable[[str], None]


@dataclass(slots=True)
class _Look:
    """The topics as read so far."""

    state: StateTraces
    lists: ListTraces
    state_next: int = 0
    lists_next: dict[int, int] = field(default_factory=dict)


async def forget_user(settings: Settings, clock: Clock, user_id: str, timeout_s: float, tell: Tell) -> Receipt:
    """Forget a user, and say what is gone. Removes nothing itself.

    Raises StalledError when a role is not through within `timeout_s`, InvalidRecordError for what is no id,
    BrokerUnreachableError, TopicError.
    """
    job = _ForgetJob(settings, clock, user_id, clock.monotonic_s() + timeout_s, tell)
    return await job.run()


@dataclass(slots=True)
class _ForgetJob:
    settings: Settings
    clock: Clock
    user_id: str
    until_s: float
    tell: Tell

    async def run(self) -> Receipt:
        require_topics(self.settings)
        self.tell("looking for the user")
        look = _Look(StateTraces(self.user_id), ListTraces(self.user_id))
        await self._read_state(look)
        num_records = look.state.num_alive
        before = await asyncio.to_thread(local_traces, self.settings.data_dir, self.user_id)
        with GroupOffsets(self.settings) as offsets:
            look.lists_next = {partition: end for (_, partition), end in self._ends(offsets, "rankings").items()}
            self._send()
            await self._wait_for_roles(offsets)
        at_ms = await self._wait_for_history(look)
        await self._read_lists(look)
        after = await asyncio.to_thread(local_traces, self.settings.data_dir, self.user_id)
        config = topic_configs(self.settings)
        removed = [
            Removed("worker state and its changelog", "user, lists, event ids", num_records, look.state.num_alive),
            Removed("topic rankings", "lists", *look.lists.found_and_left(look.state.surfaces)),
            *_local(before, after),
        ]
        return Receipt(self.user_id, at_ms, removed, expiring(config, self.clock.now_ms()))

    def _send(self) -> None:
        with EventProducer(settings=self.settings) as site:
            site.forget(self.user_id, event_id=f"forget-{uuid.uuid4().hex}")
            site.flush()
            if not site.delivered:
                raise BrokerUnreachableError(
                    f"the event to forget the user was not taken by Kafka at {self.settings.bootstrap_servers}; "
                    "nothing was removed; repeat the command when Kafka is well (`freshrank lag` tells)"
                )

    def _ends(self, offsets: GroupOffsets, short: str) -> dict[Place, int]:
        return offsets.ends([topic_specs(self.settings)[short].name])

    async def _wait_for_roles(self, offsets: GroupOffsets) -> None:
        """The worker commits after state, lists and Feast rows; what it told the trainer is on its topic by then."""
        number = partition_for(self.user_id, self.settings.num_partitions)
        own = {place: end for place, end in self._ends(offsets, "events").items() if place[1] == number}
        await self._wait("the worker", lambda: offsets.has_committed(self.settings.worker_group, own))
        told = {place: end for place, end in self._ends(offsets, "training-examples").items() if end}
        await self._wait("the trainer", lambda: offsets.has_committed(self.settings.trainer_group, told))

    async def _wait_for_history(self, look: _Look) -> int:
        """Up to when the user is forgotten. The worker has committed, so its changelog holds this request."""
        await self._read_state(look)
        while (at_ms := look.state.forgotten_up_to_ms) is None:
            await self._pause("the worker, which erases the user from the history of feature rows")
            await self._read_state(look)
        return at_ms

    async def _wait(self, whom: str, is_through: Callable[[], bool]) -> None:
        while not await asyncio.to_thread(is_through):
            await self._pause(whom)

    async def _pause(self, whom: str) -> None:
        self.tell(f"waiting for {whom}")
        if self.clock.monotonic_s() > self.until_s:
            raise StalledError(
                f"{whom} has not confirmed in time that the user is gone; the request is on the log and will be "
                "carried out; needed for a receipt: a running worker and trainer that keep up (`freshrank lag`); then "
                "repeat the command, with a longer --timeout-s if they are slow"
            )
        await asyncio.sleep(POLL_S)

    async def _read_state(self, look: _Look) -> None:
        number, topic = partition_for(self.user_id, self.settings.num_partitions), self._topic("state-changelog")
        look.state_next = await read_partition(self.settings, topic, number, look.state_next, look.state.take)

    async def _read_lists(self, look: _Look) -> None:
        for number, start in look.lists_next.items():
            await read_partition(self.settings, self._topic("rankings"), number, start, look.lists.take)

    def _topic(self, short: str) -> str:
        return topic_specs(self.settings)[short].name


def _local(before: LocalTraces, after: LocalTraces) -> list[Removed]:
    return [
        Removed("Feast online store", "row of user_counters", before.feature_rows, after.feature_rows),
        Removed("Feast history", "rows of user_counters", before.history_rows, after.history_rows),
        Removed("replay buffer", "lists with features and labels", before.slates, after.slates),
    ]
