"""The learned part of the kernel: which inputs stand for what, and that it learns through the solve."""

from dataclasses import replace

import torch

from models.content import Content
from models.content_corpus import ContentCorpus
from models.finetune import FineTuneConfig, FineTuner
from models.learned_kernel import FREE, KEPT_TIMES, NUM_VALUES, LearnedKernel
from models.tasks import DEFAULT_TASKS
from tests.models.taste_shop import SCHEMA, films
from tests.models.test_ranker_taste import batch


def items(*codes: list[int]) -> Content:
    return Content(
        id_M=torch.arange(len(codes)),
        value_V=torch.tensor([code for of_item in codes for code in of_item]),
        item_V=torch.tensor([m for m, of_item in enumerate(codes) for _ in of_item]),
        dense_MD=torch.zeros(len(codes), 1),
    )


def test_an_item_is_read_by_the_values_that_have_an_input_and_its_numbers() -> None:
    kernel = LearnedKernel(1)
    kernel.take_values(torch.tensor([7, 3]))
    content, dense_MD = items([3, 9], [7], [9], [3, 7]), torch.tensor([[0.5], [0.0], [0.0], [0.0]])
    inputs_MF = torch.zeros(4, NUM_VALUES + 1)
    inputs_MF[0, 1] = inputs_MF[1, 0] = inputs_MF[3, 0] = inputs_MF[3, 1] = 1.0
    inputs_MF[0, NUM_VALUES] = 0.5
    hidden_MH = torch.nn.functional.silu(inputs_MF @ kernel.hidden.weight.T + kernel.hidden.bias)
    torch.testing.assert_close(kernel(content, dense_MD), hidden_MH @ kernel.out.weight.T + kernel.out.bias)


def test_a_value_keeps_its_input_until_others_are_far_more_telling() -> None:
    kernel, many = LearnedKernel(0), KEPT_TIMES * NUM_VALUES
    assert not bool(kernel.take_values(torch.arange(NUM_VALUES)).any())
    held = kernel.code_K.clone()
    # New ones find no free input: all old ones are still among the first.
    assert not bool(kernel.take_values(torch.cat([torch.arange(1000, 1000 + NUM_VALUES), held])).any())
    assert kernel.code_K.tolist() == held.tolist()
    # The old 5 is so far behind that it gives its input to the best that has none.
    ahead = torch.cat([torch.arange(1000, 1000 + many - NUM_VALUES + 1), held[held != 5]])
    given_up = kernel.take_values(torch.cat([ahead, torch.tensor([5])]))
    assert torch.nonzero(given_up).flatten().tolist() == [5]
    assert kernel.code_K[5] == 1000
    assert int((kernel.code_K == FREE).sum()) == 0


def test_the_most_telling_values_divide_the_items() -> None:
    """Of eight items: 1 is in all, 2 in four, 3 in two, 4 in one, 5 in seven."""
    corpus = ContentCorpus(1)
    corpus.observe(items([1, 2, 5], [1, 2, 5], [1, 2, 5], [1, 2, 5], [1, 3, 5], [1, 3, 5], [1, 4, 5], [1]))
    # c log(8 / c): 2 has 2.77, 3 has 2.77, 5 has .93, 1 has 0; one item alone is like no other.
    assert corpus.telling_values().tolist() == [2, 3, 5, 1]


def test_it_learns_through_the_solve_and_forgets_what_an_input_stood_for() -> None:
    tuner = FineTuner(FineTuneConfig(), SCHEMA, DEFAULT_TASKS, device="cpu", seed=0)
    name = "taste.kernel.learned.hidden.weight"
    # Six films are too few for a fit.
    others = [replace(films(), id_M=films().id_M + copy) for copy in range(6)]
    tuner.corpus.observe(Content.concat(others))
    assert tuner.refit()
    assert tuner.ranker.taste is not None
    kernel = tuner.ranker.taste.kernel.learned
    before = tuner.weights[name].detach().clone()
    for step in range(3):
        tuner.learn(batch(seed=step))
    moved = (tuner.weights[name] != before).any(0)
    is_used = (kernel.code_K != FREE) & torch.isin(kernel.code_K, films().value_V)
    assert bool(moved[:NUM_VALUES][is_used].all())

    assert int(is_used.sum()) > 5
    kernel.code_K[:2] = torch.tensor([1 << 30, (1 << 30) + 1])
    tuner.corpus.num_fitted = 0
    assert tuner.refit()
    averaged = tuner.average.average(tuner.weights)[name]
    assert tuner.weights[name][:, :2].abs().sum() == 0
    assert averaged[:, :2].abs().sum() == 0
    assert tuner.weights[name][:, 2:].abs().min() > 0
