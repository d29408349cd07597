import json
from collections.abc import Callable
from pathlib import Path

import pytest

from models.batch import Batch
from models.feature_schema import FeatureSchema
from models.finetune import FineTuneConfig, FineTuner
from models.tasks import DEFAULT_TASKS

GOLDEN = Path(__file__).parent / "golden_losses_cpu.json"
MakeBatch = Callable[..., Batch]


def test_a_seeded_run_reproduces_the_committed_losses(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    """A change of these numbers is a change of the model: it needs a measured reason."""
    made = FineTuner(FineTuneConfig(), schema, DEFAULT_TASKS, device="cpu", seed=0)
    found = [made.learn(make_batch(step)) for step in range(20)]
    golden = json.loads(GOLDEN.read_text())
    assert [sorted(losses) for losses in found] == [sorted(losses) for losses in golden]
    for losses, expected in zip(found, golden, strict=True):
        assert losses == pytest.approx(expected, rel=2e-3, abs=1e-4)
