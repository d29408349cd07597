"""A list is scored from the same inputs that its training example brings: features, contents and histories."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from models.checkpoint import LoadedCheckpoint
from models.finetune import FineTuneConfig, FineTuner
from streams.features.state_store import StateStore
from streams.ranking.scorer import Scorer
from streams.settings import Settings
from streams.training.examples_to_batch import to_batch
from streams.training.replay_buffer import ReplayBuffer
from streams.worker.partition import Partition
from tests.worker.event_log import records, shop_log
from tests.worker.one_user import decoded

NUM_SLATES = 300


def asked_when_shown(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The log with each list asked for right before it is shown, so that nothing happens in between."""
    found, is_asked = [], set()
    for event in (one for one in events if one["type"] != "rank"):
        if event["type"] == "impression" and event["slate_id"] not in is_asked:
            is_asked.add(event["slate_id"])
            asked = {key: event[key] for key in ("user_id", "occurred_at_ms", "surface", "items")}
            found.append({**asked, "type": "rank", "event_id": f"r{len(found)}", "request_id": event["slate_id"]})
        found.append(event)
    return found


def test_a_list_scored_and_its_example_predicted_are_the_same(
    engine_settings: Settings, open_engine: Callable[[Path], tuple[Partition, StateStore]], tmp_path: Path
) -> None:
    engine, store = open_engine(tmp_path / "state")
    outputs = engine.process(records(asked_when_shown(shop_log(NUM_SLATES))))
    store.close()
    buffer = ReplayBuffer(tmp_path / "buffer", buffer_days=9, buffer_max_bytes=1 << 30)
    buffer.append(0, list(enumerate(decoded(outputs))), len(outputs.examples))
    schema, tasks = engine_settings.catalogue.schema_, engine_settings.labels.tasks
    entries = buffer.ready(0, 5000)
    buffer.close()
    tuner = FineTuner(FineTuneConfig(), schema, tasks, device="cpu", seed=0)
    for start in range(0, len(entries), 32):
        tuner.learn(to_batch(entries[start : start + 32], schema, tasks).batch)
        tuner.refit()
    ranker = tuner.serving_model()
    scorer = Scorer(engine_settings.ranking)
    scorer.swap(LoadedCheckpoint(ranker, {"version": 1}))

    of_slate = {entry.slate.slate_id: entry for entry in entries}
    asked = [due.task for due in outputs.ranks if due.task.cause == "request"][-100:]
    for task, served in zip(asked, scorer.serving.score(asked, engine.state.items).predictions, strict=True):
        batch = to_batch([of_slate[task.slate_id]], schema, tasks).batch
        assert task.user_U.tolist() == batch.user_SU[0].tolist()
        assert len(task.history.answer_A) == batch.history.answer_SA.shape[1] > 0
        expected = ranker.predict(batch)
        for name, values in served.items():
            np.testing.assert_allclose(values, expected[name].numpy(), rtol=1e-4, atol=1e-6)
