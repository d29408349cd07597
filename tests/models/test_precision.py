"""bf16 while learning: on a GPU always, here on the CPU, where it is off unless a test asks for it."""

import pytest
import torch

from models.finetune import FineTuneConfig, FineTuner
from models.precision import step_dtype
from models.ranker import TASTE
from models.ranker_config import RankerConfig
from models.tasks import DEFAULT_TASKS
from tests.models.learn_together import batch
from tests.models.taste_shop import SCHEMA, taste

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; none is available here")


def tuner(device: str) -> FineTuner:
    config = FineTuneConfig(ranker=RankerConfig(id_rows=16, id_width=4, attention_width=8))
    made = FineTuner(config, SCHEMA, DEFAULT_TASKS, device=device, seed=3)
    assert made.ranker.taste is not None
    made.ranker.taste.load_state_dict(taste().state_dict())
    return made


def test_the_cpu_computes_as_it_is_and_a_gpu_in_bf16() -> None:
    assert step_dtype(torch.device("cpu")) == torch.float32
    assert step_dtype(torch.device("cuda")) == torch.bfloat16
    assert tuner("cpu").net.dtype == torch.float32


def test_in_bf16_the_net_rounds_the_taste_does_not_and_losses_are_float32() -> None:
    exact, rounded = tuner("cpu"), tuner("cpu")
    rounded.net.dtype = torch.bfloat16
    for step in range(4):
        exact.learn(batch(step))
        losses = rounded.learn(batch(step))
        assert losses["total"] > 0
    rounded.load_state_dict(exact.state_dict())
    expected, found = (made.net.logits(batch(9)) for made in (exact, rounded))
    assert {name: value.dtype for name, value in found.items()} == dict.fromkeys(expected, torch.float32)
    assert torch.equal(found[TASTE], expected[TASTE])
    assert not torch.equal(found["click"], expected["click"])
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=0.02, atol=0.02)
    assert {weight.dtype for weight in rounded.weights.values()} == {torch.float32}


def test_a_run_in_bf16_learns_as_well() -> None:
    totals = []
    for dtype in (torch.float32, torch.bfloat16):
        made = tuner("cpu")
        made.net.dtype = dtype
        totals.append([made.learn(batch(4 * step + 2))["total"] for step in range(30)])
    exact, rounded = (torch.tensor(total) for total in totals)
    torch.testing.assert_close(rounded[-10:].mean(), exact[-10:].mean(), rtol=0.02, atol=0.0)


@needs_gpu
def test_a_gpu_learns_what_the_cpu_learns_within_bf16() -> None:
    cpu, gpu = tuner("cpu"), tuner("cuda")
    for step in range(8):
        expected, found = cpu.learn(batch(step)), gpu.learn(batch(step))
        assert found["total"] == pytest.approx(expected["total"], rel=0.03)
    assert gpu.num_skipped == 0
    served = gpu.serving_model().to("cpu").predict(batch(9))["click"]
    torch.testing.assert_close(served, cpu.serving_model().predict(batch(9))["click"], rtol=0.05, atol=0.01)
