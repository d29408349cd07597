"""Factors as they are served are those of the kernel that learns, whatever items lack."""

import copy

import numpy as np
import pytest
import torch

from models.content import Content, value_code
from models.content_corpus import ContentCorpus
from models.feature_schema import FeatureSchema
from models.taste_kernel import TasteKernel

SCHEMA = FeatureSchema(
    affinity_fields=("genres", "tags"), number_fields=("year", "price"), text_fields=("title",), vector_widths=(3, 5),
    vector_fields=("image", "text_vector"),
)  # fmt: skip


def contents(num: int, seed: int, num_values: int = 30) -> Content:
    """Items with values of all fields, some twice; a third lacks a number, a vector, or a part of one."""
    rng = np.random.default_rng(seed)
    num_fields = len(SCHEMA.content)
    codes = [
        np.array([value_code(int(rng.integers(num_fields)), f"v{rng.integers(num_values)}") for _ in range(size)])
        for size in rng.integers(1, 9, num)
    ]
    dense = rng.normal(3, 2, (num, len(SCHEMA.dense))).astype(np.float32)
    dense[::3, 0], dense[1::3, 2:5], dense[2::3, -1] = np.nan, np.nan, np.inf
    return Content.of_items(list(range(num)), codes, list(dense))


def kernel(num_columns: int) -> TasteKernel:
    """With a basis of its own, weights that differ, and inputs of the learned part."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = TasteKernel(SCHEMA)
        with torch.no_grad():
            for weight in made.parameters():
                weight.add_(0.3 * torch.randn_like(weight))
    known = contents(200, seed=1)
    corpus = ContentCorpus(len(SCHEMA.content))
    corpus.observe(known)
    made.basis.set_fields(corpus.fit(torch.ones(len(SCHEMA.content)), num_columns))
    made.dense_norm.observe(known.dense_MD)
    made.learned.take_values(known.value_V.unique()[::2])
    return made


@pytest.mark.parametrize("num_columns", [6, 64])
def test_factors_are_served_as_they_are_learned(num_columns: int) -> None:
    learning = kernel(num_columns)
    serving = copy.deepcopy(learning)
    serving.freeze()
    # More values than the basis was fitted to.
    for asked in (contents(50, seed=2, num_values=60), contents(1, seed=4), contents(200, seed=1)):
        expected_MW = learning(asked)
        torch.testing.assert_close(serving(asked), expected_MW.detach(), atol=1e-5, rtol=1e-5)
        assert float(expected_MW.detach().abs().sum()) > 0


def test_before_a_basis_there_are_numbers_vectors_and_what_is_learned() -> None:
    learning = TasteKernel(SCHEMA)
    serving = copy.deepcopy(learning)
    serving.freeze()
    asked = contents(7, seed=5)
    torch.testing.assert_close(serving(asked), learning(asked).detach(), atol=1e-5, rtol=1e-5)
    assert serving(Content.empty(len(SCHEMA.dense))).shape == learning(Content.empty(len(SCHEMA.dense))).shape


def test_an_item_is_served_alike_whatever_is_asked_beside_it() -> None:
    serving = kernel(64)
    serving.freeze()
    together = serving(contents(20, seed=2))
    alone = torch.cat([serving(of_item(contents(20, seed=2), m)) for m in range(20)])
    torch.testing.assert_close(together, alone, atol=0, rtol=0)


def of_item(content: Content, m: int) -> Content:
    value_V = content.value_V[content.item_V == m]
    return Content(
        id_M=content.id_M[m : m + 1], value_V=value_V, item_V=torch.zeros_like(value_V),
        dense_MD=content.dense_MD[m : m + 1],
    )  # fmt: skip
