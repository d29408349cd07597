"""AdamW over named weights, and its state as named tensors: torch's own state dict numbers weights by place."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["build_optimiser", "clip_gradients", "optimiser_tensors", "restore_optimiser"]


def build_optimiser(weights: Mapping[str, nn.Parameter], weight_decay: float) -> torch.optim.AdamW:
    """AdamW; biases and normalisation weights do not decay, nor do those of the taste layer: group `is_taste`."""
    of_taste = [weight for name, weight in weights.items() if _is_taste(name)]
    decayed = [weight for name, weight in weights.items() if _decays(name)]
    kept = [weight for name, weight in weights.items() if not _decays(name) and not _is_taste(name)]
    groups = [
        {"params": decayed, "weight_decay": weight_decay, "is_taste": False},
        {"params": kept, "weight_decay": 0.0, "is_taste": False},
        {"params": of_taste, "weight_decay": 0.0, "is_taste": True},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)


@torch.no_grad()
def clip_gradients(weights: Mapping[str, nn.Parameter], max_norm: float) -> Tensor:
    """Scales all gradients down to `max_norm` together; returns the norm that they had.

    What torch.nn.utils.clip_grad_norm_ does, at a third of its cost for weights that are all on one device.
    """
    gradients = [weight.grad for weight in weights.values() if weight.grad is not None]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))  # noqa: SLF001 - public nowhere
    torch._foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def _is_taste(name: str) -> bool:
    return name.startswith("taste.") and ".learned." not in name


def _decays(name: str) -> bool:
    return "bias" not in name and "norm" not in name and not _is_taste(name)


def optimiser_tensors(optimiser: torch.optim.Optimizer, weights: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """`<what>/<weight>` for the step count and both moments of every weight that has been stepped."""
    states = {name: optimiser.state[weight] for name, weight in weights.items() if weight in optimiser.state}
    return {f"{what}/{name}": value for name, state in states.items() for what, value in state.items()}


def restore_optimiser(
    optimiser: torch.optim.Optimizer,
    weights: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
) -> None:
    """Puts back what `optimiser_tensors` gave."""
    optimiser.state.clear()
    for key, value in tensors.items():
        what, _, name = key.partition("/")
        optimiser.state[weights[name]][what] = value
