"""Fixtures of the engine: a partition on disk, without Kafka."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.examples.label_plan import LabelPlan
from streams.features.items import ItemTable
from streams.features.state_store import StateStore
from streams.ranking.candidates import CandidateIndex
from streams.settings import LabelSettings, Settings
from streams.worker.list_capture import ListCapture
from streams.worker.partition import Partition
from streams.worker.partition_state import PartitionState
from tests.worker.event_log import START_MS, catalogue

WINDOWS_S = {
    "click": 20.0, "dwell": 40.0, "cart": 60.0, "order": 120.0, "order_cancelled": 120.0, "dislike": 60.0,
    "quick_back": 40.0,
}  # fmt: skip


@pytest.fixture
def engine_settings(tmp_path: Path) -> Settings:
    """One partition, short windows."""
    return Settings(
        num_partitions=1, data_dir=tmp_path, labels=LabelSettings(window_overrides_s=WINDOWS_S, open_slates_max=100)
    )


@pytest.fixture
def open_engine(engine_settings: Settings) -> Callable[[Path], tuple[Partition, StateStore]]:
    """Open a partition's state in a folder, with the catalogue known."""

    def open_(folder: Path) -> tuple[Partition, StateStore]:
        items = ItemTable(engine_settings.catalogue, 1)
        for item in catalogue():
            items.upsert(item, START_MS)
        store = StateStore(folder)
        state = PartitionState(0, store, items, LabelPlan.of(engine_settings.labels))
        state.load()
        return Partition(state, engine_settings, ListCapture(items, CandidateIndex(20))), store

    return open_
