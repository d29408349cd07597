"""Two processes of torchrun learn what one does. See learn_together.py for what they learn."""

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from models.content import NO_ITEM
from models.peers import Peers, Share, peers_of_torchrun
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.tasks import DEFAULT_TASKS
from tests.models.learn_together import SIZES, batch, learned
from tests.models.taste_shop import SCHEMA

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    """Of both processes."""
    folder = tmp_path_factory.mktemp("states")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = ["env", "GLOO_SOCKET_IFNAME=lo", *torchrun, "-m", "tests.models.learn_together", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    return [safetensors.torch.load_file(folder / f"{rank}.safetensors") for rank in range(2)]


def test_both_processes_end_with_the_same_state_to_the_bit(states: list[dict[str, Tensor]]) -> None:
    one, other = states
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name].nan_to_num(), other[name].nan_to_num())] == []


def test_they_learn_what_a_single_process_learns(states: list[dict[str, Tensor]]) -> None:
    """Weights, averages, moments, rates, calibration, ids and their sums after eight steps, gradients after one."""
    expected, first = learned(None).state_dict(), learned(None, num_steps=1)
    expected |= {f"gradient.{name}": weight.grad for name, weight in first.weights.items() if weight.grad is not None}
    assert states[0].keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(states[0][name], value, rtol=1e-6, atol=1e-6, equal_nan=True, msg=name)


def test_what_they_learned_has_used_every_part(states: list[dict[str, Tensor]]) -> None:
    """Else the tests above would compare what never moved."""
    state, start = states[0], learned(None, num_steps=0).state_dict()
    moved = ("learned.ids.embedding_RW", "learned.attention.query_DA", "taste.kernel.field_raw_F", "first.weight_OF")
    changes = [float((state[f"ranker.{name}"] - start[f"ranker.{name}"]).abs().max()) for name in moved]
    assert min(changes) > 1e-4
    assert int(state["count.skipped"]) == 0
    assert min(SIZES) < 2, "no step with fewer slates than processes"


def test_shares_are_every_slate_once_and_score_as_in_the_batch() -> None:
    torch.manual_seed(0)
    ranker, rows = Ranker(RankerConfig(id_rows=16, attention_width=8), SCHEMA, DEFAULT_TASKS), batch(1)
    for weight in ranker.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    ranker.observe(rows)
    together = ranker(rows, position_N=rows.position_N, kind_N=rows.kind_N)
    shares = [Peers(rank, 4).share(rows) for rank in range(4)]
    assert torch.cat([share.row_N for share in shares]).tolist() == list(range(rows.num_rows))
    for share in shares:
        alone = ranker(share.inputs, position_N=share.position_N, kind_N=share.kind_N)
        for name, value in alone.items():
            torch.testing.assert_close(value, together[name][share.row_N], rtol=1e-4, atol=1e-5)


def test_a_share_of_no_slates_has_no_rows_and_keeps_the_gradient_whole() -> None:
    ranker, rows = Ranker(RankerConfig(), SCHEMA, DEFAULT_TASKS), batch(1)
    share = Share.of(rows, 2, 2)
    assert share.inputs.content_N.tolist() == []
    assert int((rows.content_N == NO_ITEM).sum()) == 0
    logits = ranker(share.inputs, position_N=share.position_N, kind_N=share.kind_N)
    torch.stack([value.sum() for value in logits.values()]).sum().backward()
    assert [name for name, weight in ranker.named_parameters() if weight.grad is None] == []


def test_a_process_that_torchrun_did_not_start_learns_alone() -> None:
    with peers_of_torchrun(is_on_gpu=False) as peers:
        assert peers is None
