import pytest
import torch
from torch import Tensor

from models.kinds import NUM_KINDS
from models.predictions import as_predictions
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.row_predictions import PredictionPlan, predict_rows
from models.tasks import DEFAULT_TASKS, Task
from tests.models.conftest import SCHEMA

ROWS = 300
CLICK, DWELL, *OTHERS = DEFAULT_TASKS
SECONDS = Task(name=DWELL.name, label=DWELL.label, window_s=60, given="click", rows="given", loss="huber")


def calibrated(tasks: tuple[Task, ...]) -> Ranker:
    """Every task and kind in its own way."""
    made = Ranker(RankerConfig.compact(), SCHEMA, tasks).eval()
    generator = torch.Generator().manual_seed(2)
    made.platt_TK2.copy_(0.5 + torch.rand(made.platt_TK2.shape, generator=generator))
    return made


def outputs(ranker: Ranker, scale: float) -> tuple[Tensor, Tensor]:
    """Of the heads, float32[K, N], and the rows' kinds."""
    generator = torch.Generator().manual_seed(3)
    shape = sum(ranker.num_outputs), ROWS
    return scale * torch.randn(shape, generator=generator), torch.randint(0, NUM_KINDS, (ROWS,), generator=generator)


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("dwell", [DWELL, SECONDS])
def test_predictions_equal_those_of_the_layers_that_learn(dwell: Task, scale: float) -> None:
    made = calibrated((CLICK, dwell, *OTHERS))
    output_KN, kind_N = outputs(made, scale)
    heads = [of_task_KN.T for of_task_KN in torch.split(output_KN, made.num_outputs)]
    expected = as_predictions(made, made.by_task(heads), kind_N)
    found = predict_rows(PredictionPlan.of(made), output_KN.clone(), kind_N)
    assert list(found) == list(expected)
    for task, found_N in found.items():
        torch.testing.assert_close(found_N, expected[task].detach(), atol=2e-6, rtol=2e-6)


def test_an_output_that_is_not_a_number_is_not_made_one() -> None:
    made = calibrated(DEFAULT_TASKS)
    output_KN, kind_N = outputs(made, 1.0)
    output_KN[:, 7] = torch.nan
    found = predict_rows(PredictionPlan.of(made), output_KN, kind_N)
    assert {task: bool(found_N[7].isnan()) for task, found_N in found.items()} == dict.fromkeys(found, True)
    assert all(bool(found_N.isnan().sum() == 1) for found_N in found.values())
