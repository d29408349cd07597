"""The engine over a whole log, without Kafka, failures or anything beside it: what a live run must equal."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from streams.events.decode import decode_catalogue
from streams.events.rejection import Rejected
from streams.examples.label_plan import LabelPlan
from streams.examples.records import Labels, Shown, decode_record
from streams.features.items import ItemTable
from streams.features.state_store import META_KEY, StateStore
from streams.ranking.candidates import CandidateIndex
from streams.replay.log_spool import SpooledRecord
from streams.settings import Settings
from streams.worker.list_capture import ListCapture
from streams.worker.partition import Partition
from streams.worker.partition_state import PartitionState

__all__ = ["StraightRun"]

CHUNK_RECORDS = 500


class StraightRun:
    """All partitions of `events` over one item table. `stores`: state by partition, complete after `run`."""

    def __init__(self, settings: Settings, folder: Path, chunk_records: int = CHUNK_RECORDS) -> None:
        self._settings, self._chunk_records = settings, chunk_records
        self.items = ItemTable(settings.catalogue, settings.num_partitions)
        self.stores = [StateStore(folder / str(number)) for number in range(settings.num_partitions)]
        plan = LabelPlan.of(settings.labels)
        lists = ListCapture(self.items, CandidateIndex(settings.ranking.candidates))
        self._engines = []
        for number, store in enumerate(self.stores):
            state = PartitionState(number, store, self.items, plan)
            state.load()
            self._engines.append(Partition(state, settings, lists))

    def run(self, log: Iterable[SpooledRecord]) -> Iterator[Shown | Labels]:
        """Apply the log in order; yields every training record it gives."""
        chunk: list[SpooledRecord] = []
        for record in log:
            is_next = bool(chunk) and (record.is_event, record.partition) != (True, chunk[0].partition)
            if is_next or len(chunk) >= self._chunk_records:
                yield from self._apply(chunk)
                chunk = []
            if record.is_event:
                chunk.append(record)
            else:
                self._learn(record)
        if chunk:
            yield from self._apply(chunk)

    def _apply(self, chunk: list[SpooledRecord]) -> Iterator[Shown | Labels]:
        number = chunk[0].partition
        engine, store = self._engines[number], self.stores[number]
        outputs = engine.process(chunk)
        drained = engine.state.drain()
        store.write([*drained.records, (META_KEY, msgspec.json.encode(drained.meta))])
        engine.state.written(self._settings.worker.cached_users)
        records = (decode_record(raw) for _, raw in outputs.examples)
        yield from (record for record in records if isinstance(record, (Shown, Labels)))

    def _learn(self, record: SpooledRecord) -> None:
        if record.value is None:
            self.items.remove((record.key or b"").decode(errors="replace"))
            return
        item = decode_catalogue(record.value)
        if not isinstance(item, Rejected):
            self.items.upsert(item, record.timestamp)

    def close(self) -> None:
        """Release the folders."""
        for store in self.stores:
            store.close()
