"""Which numbers a step computes with: bf16 for the net on a GPU, float32 for all that must not round.

Weights, losses, gradients' sums and the optimiser are float32 throughout, and so is the taste layer's solve: a Cholesky
factor in bf16 is none.
"""

import torch

__all__ = ["full_precision", "net_precision", "step_dtype"]


def step_dtype(device: torch.device) -> torch.dtype:
    """Of the net's products while learning on `device`."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def net_precision(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Within it, products of float32 tensors are computed in `dtype`."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def full_precision(device: torch.device) -> torch.autocast:
    """Within it they are computed as they are, whatever is around it."""
    return torch.autocast(device.type, enabled=False)
