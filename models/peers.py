"""Processes that learn one model together, started by torchrun: each computes its share of every batch.

Losses are means over rows, pairs and slates of the whole batch, which no average of the processes' own means would
equal. So the logits are exchanged, a few numbers a row; every process computes the loss of the whole batch, its
gradient flows back into its own rows alone, and DistributedDataParallel adds up the shares. What is counted rather than
learned (moments, rates, ids) every process counts over the whole batch. All of them hold the same state after a step.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from models.batch import Batch
from models.inputs import RankerInputs

__all__ = ["Peers", "Share", "peers_of_torchrun"]


@dataclass(frozen=True, slots=True)
class Share:
    """Some slates of a batch. `row_N` int64: which rows of the batch its rows are."""

    inputs: RankerInputs
    position_N: Tensor
    kind_N: Tensor
    row_N: Tensor

    @classmethod
    def of(cls, batch: Batch, first: int, last: int) -> "Share":
        """Slates from `first` to before `last`, with all of the content."""
        row_N = torch.nonzero((batch.slate_N >= first) & (batch.slate_N < last)).squeeze(1)
        inputs = RankerInputs(
            user_SU=batch.user_SU[first:last],
            item_NI=batch.item_NI[row_N],
            cross_NX=batch.cross_NX[row_N],
            slate_N=batch.slate_N[row_N] - first,
            content_N=batch.content_N[row_N],
            content=batch.content,
            history=batch.history.each(lambda column: column[first:last]),
        )
        return cls(inputs, batch.position_N[row_N], batch.kind_N[row_N], row_N)


@dataclass(frozen=True, slots=True)
class Peers:
    """Process `rank` of `size`, in the default process group."""

    rank: int
    size: int

    def share(self, batch: Batch) -> Share:
        """This process's slates: neighbours, as many as others have, give or take one."""
        first, last = (k * batch.num_slates // self.size for k in (self.rank, self.rank + 1))
        return Share.of(batch, first, last)

    def gathered(self, own: Mapping[str, Tensor], share: Share, num_rows: int) -> dict[str, Tensor]:
        """Logits of all rows from those of each process's own; gradients flow into the own ones."""
        widths = [1 if value.dim() == 1 else value.shape[1] for value in own.values()]
        own_NK = torch.cat(
            [value.reshape(len(share.row_N), width) for value, width in zip(own.values(), widths, strict=True)], 1
        )
        mine_NK = own_NK.new_zeros(num_rows, own_NK.shape[1]).index_copy(0, share.row_N, own_NK)
        all_NK = self.total(mine_NK.detach().clone())
        is_mine_N = torch.zeros(num_rows, dtype=torch.bool, device=all_NK.device).index_fill(0, share.row_N, value=True)
        parts = torch.split(torch.where(is_mine_N.unsqueeze(1), mine_NK, all_NK), widths, dim=1)
        named = zip(own.items(), parts, strict=True)
        return {name: part.squeeze(1) if value.dim() == 1 else part for (name, value), part in named}

    def first(self, value: float) -> float:
        """What the first process has: for decisions that all must take alike, whatever they rounded differently."""
        agreed = torch.tensor(
            value, dtype=torch.float64, device="cuda" if distributed.get_backend() == "nccl" else "cpu"
        )
        distributed.broadcast(agreed, src=0)
        return float(agreed)

    def wait(self) -> None:
        """Until all processes are here."""
        distributed.barrier()

    def total(self, values: Tensor) -> Tensor:
        """The sum over processes, in place."""
        distributed.all_reduce(values)
        return values


@contextmanager
def peers_of_torchrun(*, is_on_gpu: bool) -> Iterator[Peers | None]:
    """The process group that torchrun started this process for, until the end; None when it did not.

    NCCL with a GPU for each process of a machine, or gloo on CPUs.
    """
    if not distributed.is_torchelastic_launched():
        yield None
        return
    if is_on_gpu:
        torch.cuda.set_device(distributed.get_node_local_rank())
    distributed.init_process_group("nccl" if is_on_gpu else "gloo")
    try:
        yield Peers(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
