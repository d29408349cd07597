import pytest
import torch
from torch.nn import functional

from models.experts import Architecture, GatedExperts, expert_plan

TASKS = ("click", "dwell", "cart")


@pytest.mark.parametrize(
    ("architecture", "plan"),
    [
        ("gated", [[True, True, True, False], [True, True, False, True], [True, True, False, True]]),
        ("mmoe", [[True, True]] * 3),
        ("shared_bottom", [[True]] * 3),
    ],
)
def test_the_plan_says_which_experts_a_task_may_use(architecture: Architecture, plan: list[list[bool]]) -> None:
    assert expert_plan(architecture, TASKS, 2, [("click",)]) == plan


def test_groups_that_name_every_task_leave_no_further_group() -> None:
    assert expert_plan("gated", TASKS, 1, [("click", "cart"), ("dwell",)]) == [
        [True, True, False],
        [True, False, True],
        [True, True, False],
    ]


@pytest.mark.parametrize("groups", [[("click",), ("click",)], [("like",)]])
def test_a_task_in_two_groups_or_unknown_is_refused(groups: list[tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match="at most once"):
        expert_plan("gated", TASKS, 1, groups)


def test_gates_sum_to_one_and_give_nothing_to_experts_of_other_tasks() -> None:
    torch.manual_seed(0)
    experts = GatedExperts([[True, True, False], [True, False, True]], hidden=4, width=3)
    gate_TEN = experts.gates(torch.randn(5, 6))
    torch.testing.assert_close(gate_TEN.sum(1), torch.ones(2, 5))
    assert (gate_TEN[0, 2] == 0).all()
    assert (gate_TEN[1, 1] == 0).all()


def test_the_mixture_equals_its_formula_expert_by_expert() -> None:
    torch.manual_seed(1)
    experts = GatedExperts([[True, True], [False, True]], hidden=4, width=3)
    hidden_NO, gate_NO = torch.randn(6, 8), torch.randn(6, 4)
    outputs = []
    for e in range(2):
        hidden = functional.silu(hidden_NO[:, 4 * e : 4 * e + 4])
        linear = hidden @ experts.weight_EHD[e] + experts.bias_ED[e]
        outputs.append(functional.silu(functional.layer_norm(linear, (3,))))
    gate = functional.softmax(gate_NO[:, :2], -1)
    expected = [gate[:, :1] * outputs[0] + gate[:, 1:] * outputs[1], outputs[1]]
    torch.testing.assert_close(experts(hidden_NO, gate_NO), torch.stack(expected))
