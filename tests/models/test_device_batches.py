from collections.abc import Callable

import pytest
import torch

from models.batch import Batch
from models.device_batches import on_device
from tests.models.learn_together import batch as with_everything

MakeBatch = Callable[..., Batch]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; none is available here")


def tensors(batch: Batch) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []

    def noted(tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor)
        return tensor

    batch.each(noted)
    return found


def test_on_the_cpu_batches_come_as_they_are_one_by_one(make_batch: MakeBatch) -> None:
    batches = [make_batch(seed) for seed in range(3)]
    source = iter(batches)
    arrived = on_device(source, torch.device("cpu"))
    assert next(arrived) is batches[0]
    assert next(source) is batches[1]
    assert list(arrived) == [batches[2]]


def test_every_tensor_of_a_batch_is_changed_content_history_and_labels_too() -> None:
    batch = with_everything(1)
    halved = batch.each(lambda tensor: tensor[:0] if tensor.dim() else tensor)
    assert len(tensors(batch)) == 10 + 4 + 6 + 2 * len(batch.y)
    assert {len(tensor) for tensor in tensors(halved)} == {0}
    assert halved.y.keys() == batch.y.keys()


@needs_gpu
def test_on_a_gpu_batches_arrive_whole_and_in_order(make_batch: MakeBatch) -> None:
    batches = [make_batch(seed) for seed in range(5)]
    arrived = list(on_device(batches, torch.device("cuda")))
    assert len(arrived) == len(batches)
    for sent, found in zip(batches, arrived, strict=True):
        for expected, tensor in zip(tensors(sent), tensors(found), strict=True):
            assert tensor.device.type == "cuda"
            assert torch.equal(tensor.cpu(), expected)


@needs_gpu
def test_no_batches_are_none(make_batch: MakeBatch) -> None:
    assert list(on_device([], torch.device("cuda"))) == []
