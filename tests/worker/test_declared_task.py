"""A task that is one declaration in the settings, and nothing else: labelled, learned, published, and in the score."""

import json
from pathlib import Path
from typing import Any

import pytest

from models.checkpoint import LoadedCheckpoint
from models.finetune import FineTuneConfig, FineTuner
from streams.examples.label_plan import LabelPlan
from streams.features.items import ItemTable
from streams.features.state_store import StateStore
from streams.ranking.candidates import CandidateIndex
from streams.ranking.scorer import Scorer
from streams.settings import Settings
from streams.training.examples_to_batch import to_batch
from streams.training.replay_buffer import ReplayBuffer
from streams.worker.list_capture import ListCapture
from streams.worker.partition import Partition
from streams.worker.partition_state import PartitionState
from tests.ranking.sample_tasks import published
from tests.worker.event_log import START_MS, catalogue, records, shop_log
from tests.worker.one_user import decoded

# As a site would write it into FRESHRANK_LABELS__TASKS: visits of six seconds and more, which half of the log's are.
LONG_DWELL = """{"name": "long_dwell", "given": "click", "label": {"on": ["dwell"], "at_least_s": 6},
                 "window_s": 60, "score_weight": 0.5}"""
WINDOWS_S = {"click": 20, "dwell": 40, "cart": 60, "order": 60, "order_cancelled": 60, "dislike": 60, "quick_back": 40}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    tasks = ["defaults", json.loads(LONG_DWELL)]
    labels: Any = {"tasks": tasks, "window_overrides_s": WINDOWS_S}
    return Settings(num_partitions=1, data_dir=tmp_path, labels=labels)


def test_one_declaration_makes_a_task(settings: Settings, tmp_path: Path) -> None:
    items = ItemTable(settings.catalogue, 1)
    for item in catalogue():
        items.upsert(item, START_MS)
    store = StateStore(tmp_path / "state")
    state = PartitionState(0, store, items, LabelPlan.of(settings.labels))
    engine = Partition(state, settings, ListCapture(items, CandidateIndex(20)))
    outputs = engine.process(records(shop_log(300)))
    store.close()
    buffer = ReplayBuffer(tmp_path / "buffer", buffer_days=9, buffer_max_bytes=1 << 30)
    buffer.append(0, list(enumerate(decoded(outputs))), len(outputs.examples))
    schema, tasks = settings.catalogue.schema_, settings.labels.tasks
    batch = to_batch(buffer.ready(0, 1000), schema, tasks).batch
    buffer.close()
    tuner = FineTuner(FineTuneConfig(), schema, tasks, device="cpu", seed=0)
    losses = tuner.learn(batch)
    scorer = Scorer(settings.ranking)
    scorer.swap(LoadedCheckpoint(tuner.serving_model(), {"version": 1}))
    ranking = published([outputs.ranks[-1].task], items, scorer, settings, START_MS)[0]

    y, is_known = batch.y["long_dwell"], batch.mask["long_dwell"]
    assert 0 < int(y.sum()) < int(is_known.sum()) < batch.num_rows
    assert losses["long_dwell"] > 0
    assert ranking.score_weights["long_dwell"] == 0.5
    for item in ranking.items:
        terms = {name: ranking.score_weights[name] * value for name, value in item.predictions.items()}
        assert terms["long_dwell"] > 0 > terms["quick_back"]
        assert item.score == pytest.approx(sum(terms.values()), abs=1e-6)
