"""The net's part of a step: logits of a batch forward, and the loss back, in one process or in several.

In bf16 on a GPU. A CUDA graph of it is left out: its shapes change from step to step (rows, pairs that the ranking loss
finds, answers of users), and a graph replays fixed ones; padding them all would change what means are taken over.
"""

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from models.batch import Batch
from models.peers import Peers
from models.precision import net_precision, step_dtype
from models.ranker import Ranker

__all__ = ["NetStep"]


class NetStep:
    """`dtype` of the products. With `peers`, the ranker is wrapped: its gradients are then sums over all processes."""

    def __init__(self, ranker: Ranker, device: torch.device, peers: Peers | None = None) -> None:
        self.device, self.dtype, self.peers = device, step_dtype(device), peers
        self._net: Ranker | DistributedDataParallel = ranker
        if peers is not None:
            # Whether the taste layer has a gradient depends on what users have answered. Buffers are counted alike.
            self._net = DistributedDataParallel(ranker, forward_sync_buffers=False, find_unused_parameters=True)

    def logits(self, batch: Batch, probe_NW: Tensor | None = None) -> dict[str, Tensor]:
        """Of all rows of the batch, in float32, as shown: with position. `probe_NW`: see Ranker.forward."""
        return self._logits(self._net, batch, probe_NW)

    @torch.no_grad()
    def teacher(self, ranker: Ranker, batch: Batch) -> dict[str, Tensor]:
        """The same of another ranker, without a gradient: probabilities."""
        return {name: logit.sigmoid() for name, logit in self._logits(ranker, batch, None).items()}

    def backward(self, loss: Tensor, probe_NW: Tensor | None = None) -> Tensor | None:
        """Gradients of the loss of the whole batch on all weights; returns the probe's."""
        # DistributedDataParallel divides what it adds up by the number of processes.
        (loss if self.peers is None else loss * self.peers.size).backward()  # type: ignore[no-untyped-call]
        of_probe = None if probe_NW is None else probe_NW.grad
        if of_probe is None or self.peers is None:
            return of_probe
        return self.peers.total(of_probe) / self.peers.size

    def _logits(
        self, net: "Ranker | DistributedDataParallel", batch: Batch, probe_NW: Tensor | None
    ) -> dict[str, Tensor]:
        if self.peers is None:
            with net_precision(self.device, self.dtype):
                found: dict[str, Tensor] = net(
                    batch, position_N=batch.position_N, kind_N=batch.kind_N, probe_NW=probe_NW
                )
            return found
        share = self.peers.share(batch)
        own_probe = None if probe_NW is None else probe_NW.index_select(0, share.row_N)
        with net_precision(self.device, self.dtype):
            own = net(share.inputs, position_N=share.position_N, kind_N=share.kind_N, probe_NW=own_probe)
        return self.peers.gathered(own, share, batch.num_rows)
