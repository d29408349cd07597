import torch

from models.position import PositionLogit


def trained(num_seen: list[int]) -> PositionLogit:
    position = PositionLogit(3, 1)
    torch.nn.init.zeros_(position.logit_PT)
    with torch.no_grad():
        position.logit_PT[:3, 0] = torch.tensor([1.0, 0.0, -1.0])
    places = torch.repeat_interleave(torch.arange(3), torch.tensor(num_seen))
    position.observe(places, torch.zeros_like(places))
    return position


def test_the_logit_is_zero_on_average_over_the_rows_seen() -> None:
    """Else the base rate could hide in it, and predictions made without it would be off."""
    position = trained([2, 1, 1])
    seen = torch.tensor([0, 0, 1, 2])
    logits = position(seen, torch.zeros(4).long()).flatten()
    assert logits.tolist() == [0.75, 0.75, -0.25, -1.25]
    assert float(logits.sum().detach()) == 0


def test_later_places_share_the_last_logit_and_kinds_do_not_mix() -> None:
    position = trained([1, 1, 1])
    assert position(torch.tensor([2, 99]), torch.tensor([0, 0])).flatten().tolist() == [-1.0, -1.0]
    assert position(torch.tensor([0, 0]), torch.tensor([1, 2])).flatten().tolist() == [0.0, 0.0]
