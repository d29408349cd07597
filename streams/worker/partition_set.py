"""The partitions a worker owns now: opened when assigned, closed when lost, flushed on a timer.

Every flush may fail only by ending the worker: what was not acknowledged is processed again after the restart.
"""

import asyncio
import itertools

import structlog

from streams.clock import Clock
from streams.features.feast_writer import FeatureRowWriter
from streams.kafka.record_sender import RecordSender
from streams.settings import Settings
from streams.worker.flush_round import FlushRound
from streams.worker.knowledge import Knowledge
from streams.worker.list_capture import ListCapture
from streams.worker.open_partition import OpenPartition
from streams.worker.partition import Partition
from streams.worker.recovery import TakenOver, open_state, take_over

__all__ = ["PartitionSet"]

log = structlog.get_logger(__name__)

# Records of one partition that may be processed beyond the last flush: bounds memory and what a crash repeats. Records,
# not chunks: a steady flow comes in chunks of one, and a limit on those stopped all partitions until a flush was over.
MAX_UNFLUSHED = 32_000
ROWS_PER_FLUSH = 5_000


class PartitionSet:
    """Owned `events` partitions by number."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        knowledge: Knowledge,
        lists: ListCapture,
        sender: RecordSender,
        rows: FeatureRowWriter,
    ) -> None:
        self._settings, self._clock, self._knowledge = settings, clock, knowledge
        self._sender, self._rows = sender, rows
        self._lists = lists
        self.owned: dict[int, OpenPartition] = {}
        # Partitions of a round wait for each other, so two rounds would wait for ever.
        self._round = asyncio.Lock()
        self._num_restored = 0
        self._last_record_s: dict[int, float] = {}

    async def assign(self, numbers: set[int]) -> None:
        """Own exactly these partitions: close those that left, open those that came.

        One that stays may have been elsewhere meanwhile, if this worker was paused: its state here is old then.
        """
        leaving = set(self.owned) - numbers | await self._lost(set(self.owned) & numbers)
        await asyncio.gather(*(self.owned.pop(number).close() for number in leaving))
        taken = await take_over(self._settings, sorted(numbers - set(self.owned)))
        await asyncio.gather(*(self._open(number, of_it) for number, of_it in taken.items()))

    async def _lost(self, numbers: set[int]) -> set[int]:
        """Those of our partitions that another worker opened since."""
        ordered = sorted(numbers)
        are_ours = await asyncio.gather(*(self.owned[number].is_ours() for number in ordered))
        return {number for number, is_ours in zip(ordered, are_ours, strict=True) if not is_ours}

    async def _open(self, number: int, taken: TakenOver) -> None:
        state, store, num_restored = await open_state(
            self._settings, number, taken, self._knowledge.items, self._clock.now_ms()
        )
        self._num_restored += num_restored
        engine = Partition(state, self._settings, self._lists)
        opened = OpenPartition(
            self._settings,
            self._clock,
            engine=engine,
            store=store,
            changelog=taken.writer,
            sender=self._sender,
            rows=self._rows,
        )
        self._last_record_s[number] = self._clock.monotonic_s()
        self.owned[number] = opened

    async def publish_all_users(self, number: int) -> None:
        """Write the rows of all of a partition's users: its online store is new."""
        partition = self.owned[number]
        user_ids = partition.engine.state.all_users()
        while batch := list(itertools.islice(user_ids, ROWS_PER_FLUSH)):
            partition.engine.state.dirty_users.update(batch)
            partition.add([], [])
            await partition.flush(self._cached_users)

    async def room(self, partition: OpenPartition) -> None:
        """Wait until a partition may take another chunk."""
        if partition.num_unflushed >= MAX_UNFLUSHED:
            await partition.flush(self._cached_users)

    @property
    def _cached_users(self) -> int:
        """Each partition's share of the users that the process may keep in memory."""
        return self._settings.worker.cached_users // max(1, len(self.owned))

    def take_restored(self) -> int:
        """State records read back from the changelog since the last call."""
        found, self._num_restored = self._num_restored, 0
        return found

    @property
    def num_open_slates(self) -> int:
        """Slates with a label window open, or waiting to be shown."""
        return sum(len(partition.engine.state.deadlines) for partition in self.owned.values())

    def state_bytes(self) -> int:
        """Size of the state on disk."""
        return sum(partition.num_bytes for partition in list(self.owned.values()))

    def noted(self, number: int) -> None:
        """A record of the partition came in: it is not idle."""
        self._last_record_s[number] = self._clock.monotonic_s()

    async def flush(self) -> None:
        """Flush all partitions together. Raises what the first that failed raised, once the others are flushed."""
        failed = await self._flush_all(self._cached_users)
        for error in failed.values():
            raise error

    async def _flush_all(self, cached_users: int) -> dict[int, BaseException]:
        """What was raised, by partition."""
        async with self._round:
            owned = dict(self.owned)
            together = FlushRound(self._rows, owned)
            flushes = (partition.flush(cached_users, together) for partition in owned.values())
            results = await asyncio.gather(*flushes, return_exceptions=True)
        return {n: result for n, result in zip(owned, results, strict=True) if isinstance(result, BaseException)}

    @property
    def max_event_ms(self) -> int:
        """The latest event time of any partition; 0 before the first event."""
        return max((partition.engine.state.max_event_ms for partition in self.owned.values()), default=0)

    def overdue(self) -> dict[int, int]:
        """Quiet live partitions with label windows that the wall clock has passed, and that time less a margin.

        Their windows are closed by a watermark on `events`, not here: a replay then closes them at the same place.
        """
        found: dict[int, int] = {}
        now_s, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
        idle_s = self._settings.worker.idle_watermark_s
        for number, partition in self.owned.items():
            engine = partition.engine
            quiet_s = now_s - self._last_record_s[number]
            target_ms = now_ms - int(idle_s * 1000)
            # A log from another year is not live: its windows close by its own events alone.
            was_near = engine.state.max_event_ms >= now_ms - int((quiet_s + idle_s) * 1000)
            earliest_ms = engine.state.deadlines.earliest_ms
            if quiet_s >= idle_s and was_near and earliest_ms is not None and earliest_ms <= target_ms:
                found[number] = target_ms
                self.noted(number)
        return found

    async def flush_last(self) -> None:
        """Flush what can be flushed: the worker ends, and goes without what cannot."""
        for number, error in (await self._flush_all(0)).items():
            log.warning("partition_not_flushed", partition=number, reason=str(error))

    async def close(self) -> None:
        """Give everything back."""
        await self.assign(set())
