"""The fine-tuner's state as one flat dict of named tensors, and whether such a dict fits."""

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["check_fit", "flat_tensors", "part_of"]

# What has as many rows as were seen.
VARYING = ("optimiser.", "recent_dwell_s.", "corpus.", "ids.waiting", "ranker.taste.kernel.basis.")


def flat_tensors(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """`<part>.<name>` for every tensor, copied to the CPU."""
    return {
        f"{part}.{name}": tensor.detach().to("cpu", copy=True)
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
    }


def check_fit(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raises ValueError when `state` lacks a tensor of `expected`, or has one of another shape."""
    wrong = [
        name
        for name, tensor in expected.items()
        if not name.startswith(VARYING) and (name not in state or state[name].shape != tensor.shape)
    ]
    if wrong:
        raise ValueError(
            f"trainer state without a fitting {wrong[0]} ({len(wrong)} such); "
            "use the settings that wrote it, or start from an empty folder"
        )


def part_of(state: Mapping[str, Tensor], prefix: str, device: torch.device) -> dict[str, Tensor]:
    """The tensors of one part, copied to `device`."""
    chosen = {name: tensor for name, tensor in state.items() if name.startswith(f"{prefix}.")}
    return {name.removeprefix(f"{prefix}."): tensor.to(device, copy=True) for name, tensor in chosen.items()}
