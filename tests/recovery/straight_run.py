"""What an uninterrupted run over the same topic gives, and what a real run must equal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streams.examples.label_plan import LabelPlan
from streams.examples.records import Labels, Shown, decode_record
from streams.features.count_record import TOTALS
from streams.features.items import ItemTable
from streams.features.state_store import StateStore
from streams.ranking.candidates import CandidateIndex
from streams.settings import Settings
from streams.worker.list_capture import ListCapture
from streams.worker.partition import Partition
from streams.worker.partition_state import PartitionState
from tests.recovery.runs import records_of
from tests.worker.event_log import catalogue


def straight_run(settings: Settings, folder: Path, log: Sequence[Any]) -> tuple[Any, Any, list[Any]]:
    """User totals, item totals and examples of the log on `events`, processed in one go without any failure."""
    users: dict[str, list[int]] = {}
    examples: list[Any] = []
    totals: dict[str, Any] = {}
    for number in range(settings.num_partitions):
        items = ItemTable(settings.catalogue, settings.num_partitions)
        for item in catalogue():
            items.upsert(item, 0)
        store = StateStore(folder / str(number))
        state = PartitionState(number, store, items, LabelPlan.of(settings.labels))
        engine = Partition(state, settings, ListCapture(items, CandidateIndex(20)))
        outputs = engine.process([r for r in log if r.partition == number])
        examples += [decode_record(raw) for _, raw in outputs.examples]
        for key in list(state.users._held):
            users[key] = state.user(key).totals
        for slot in state.all_items():
            item_id = items.item_ids[slot]
            totals[item_id] = np.add(totals.get(item_id, np.zeros(6, int)), items.totals[slot])
        store.close()
    return users, {item: found.tolist() for item, found in totals.items()}, examples


def final_examples(records: Sequence[Shown | Labels]) -> tuple[dict[Any, Shown], dict[Any, Labels]]:
    """What the trainer keeps: the first shown of each part, the first of the highest revision of each task's labels."""
    shown: dict[Any, Shown] = {}
    labels: dict[Any, Labels] = {}
    for record in records:
        if isinstance(record, Shown):
            shown.setdefault((record.slate_id, record.part), record)
        else:
            held = labels.setdefault((record.slate_id, record.task), record)
            if record.revision > held.revision:
                labels[record.slate_id, record.task] = record
    return shown, labels


def rows_in_feast(settings: Settings, users: list[str], items: list[str]) -> tuple[Any, Any]:
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(settings.data_dir / "feature_repo"))
    found = []
    for view, key, ids in (("user_counters", "user_id", users), ("item_counters", "item_id", items)):
        names = [f"{view}:{total}_total" for total in TOTALS]
        rows = store.get_online_features(names, [{key: entity} for entity in ids]).to_dict()
        columns = [rows[f"{total}_total"] for total in TOTALS]
        found.append({entity: list(row) for entity, row in zip(ids, zip(*columns, strict=True), strict=True)})
    return found[0], found[1]


async def assert_equals_straight_run(settings: Settings, folder: Path) -> tuple[dict[Any, Shown], dict[Any, Shown]]:
    """Totals in Feast, what was shown and all labels are those of a straight run; returns both runs' `shown`."""
    users, items, expected = straight_run(settings, folder, await records_of(settings, "events"))
    shown, labels = final_examples([decode_record(r.value) for r in await records_of(settings, "training-examples")])
    expected_shown, expected_labels = final_examples(expected)

    assert rows_in_feast(settings, sorted(users), sorted(items)) == (users, items)
    assert {k: (v.items, v.positions) for k, v in shown.items()} == {
        k: (v.items, v.positions) for k, v in expected_shown.items()
    }
    assert {k: (v.revision, v.items, v.values) for k, v in labels.items()} == {
        k: (v.revision, v.items, v.values) for k, v in expected_labels.items()
    }
    return shown, expected_shown
