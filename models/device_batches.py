"""Batches on the device that learns them, each copied while the one before is learned.

Two buffers: the batch at hand, and the next on its way from pinned memory on a stream of its own. On the CPU there is
nothing to copy, and batches come as they are.
"""

from collections.abc import Iterable, Iterator

import torch

from models.batch import Batch

__all__ = ["on_device"]


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches in order, on `device`. A CUDA device reads one ahead of what is asked for."""
    if device.type != "cuda":
        yield from batches
        return
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    on_its_way: tuple[Batch, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(copying):
            following = batch.each(torch.Tensor.pin_memory).to(device), copying.record_event()
        if on_its_way is not None:
            yield _arrived(*on_its_way)
        on_its_way = following
    if on_its_way is not None:
        yield _arrived(*on_its_way)


def _arrived(batch: Batch, copied: torch.cuda.Event) -> Batch:
    """What is computed from here on waits for the copy; its memory is not given away before that is done."""
    computing = torch.cuda.current_stream(batch.slate_N.device)
    computing.wait_event(copied)
    batch.each(lambda tensor: _used_by(tensor, computing))
    return batch


def _used_by(tensor: torch.Tensor, stream: torch.cuda.Stream) -> torch.Tensor:
    tensor.record_stream(stream)
    return tensor
