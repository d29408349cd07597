from dataclasses import replace

import numpy as np
import torch

from models.content import Content, item_hash, value_code
from models.content_basis import ContentBasis
from models.content_corpus import ContentCorpus
from tests.models.taste_shop import FILMS, GENRES, SCHEMA, films

NUM_FIELDS = len(SCHEMA.content)


def fitted(content: Content, num_columns: int = 64) -> ContentBasis:
    corpus, basis = ContentCorpus(NUM_FIELDS), ContentBasis(NUM_FIELDS)
    corpus.observe(content)
    basis.set_fields(corpus.fit(torch.ones(NUM_FIELDS), num_columns))
    return basis


def test_blocks_multiply_to_the_cosines_of_tf_idf_over_shared_values() -> None:
    blocks = fitted(films())(films()).double().numpy()
    genres = sorted({genre for _, of_film, _, _ in FILMS for genre in of_film})
    has = np.array([[genre in of_film for genre in genres] for _, of_film, _, _ in FILMS], np.float64)
    weighed = has * (np.log(len(FILMS) / has.sum(0)) + 1)
    length = np.sqrt((weighed**2).sum(1, keepdims=True))
    weighed /= length
    # Horror is in one film alone: it has no direction, but makes the film's vector longer.
    weighed[:, genres.index("horror")] = 0
    is_genre = fitted(films()).field_columns().numpy() == GENRES
    np.testing.assert_allclose(blocks[:, is_genre] @ blocks[:, is_genre].T, weighed @ weighed.T, atol=1e-5)


def test_few_columns_go_to_the_strongest_directions_of_all_fields() -> None:
    assert fitted(films()).width_F.tolist() == [0, 3, 1]
    assert fitted(films(), 2).width_F.tolist() == [0, 2, 0]


def test_a_value_that_was_never_seen_counts_as_rare_and_as_like_nothing() -> None:
    basis = fitted(films())
    strange = Content(
        id_M=torch.tensor([1, 2]),
        value_V=torch.tensor([value_code(GENRES, "space"), value_code(GENRES, "space"), value_code(GENRES, "noir")]),
        item_V=torch.tensor([0, 1, 1]),
        dense_MD=torch.zeros(2, 1),
    )
    plain, mixed = basis(strange)
    assert 0 < float(mixed.norm()) < float(plain.norm())
    assert basis(replace(strange, value_V=strange.value_V + 1))[0].tolist() == [0.0] * basis.width


def test_before_the_first_fit_blocks_are_empty() -> None:
    assert ContentBasis(NUM_FIELDS)(films()).shape == (len(FILMS), 0)


def test_the_sample_does_not_depend_on_order_or_repetition() -> None:
    content = films()
    whole, parts = ContentCorpus(NUM_FIELDS), ContentCorpus(NUM_FIELDS)
    whole.observe(content)
    for m in (5, 0, 3, 3, 1, 4, 2):
        of_item = content.item_V == m
        zeros = torch.zeros(int(of_item.sum()), dtype=torch.int64)
        parts.observe(
            Content(
                id_M=content.id_M[m : m + 1],
                value_V=content.value_V[of_item],
                item_V=zeros,
                dense_MD=content.dense_MD[m : m + 1],
            )
        )
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, parts.state_dict()[name]), name
    assert whole.id_M.tolist() == sorted(item_hash(name) for name, *_ in FILMS)


def test_a_fit_is_due_at_first_and_when_there_are_a_quarter_more_items() -> None:
    corpus = ContentCorpus(1)

    def see(first: int, end: int) -> bool:
        ids = torch.arange(first, end)
        corpus.observe(Content(id_M=ids, value_V=ids % 7, item_V=torch.arange(len(ids)), dense_MD=torch.zeros(0, 0)))
        return corpus.is_fit_due

    assert [see(0, 31), see(31, 32)] == [False, True]
    corpus.fit(torch.ones(1), 8)
    assert [see(30, 39), see(39, 40)] == [False, True]


def test_a_restored_basis_and_corpus_go_on_as_they_were() -> None:
    basis, corpus = fitted(films()), ContentCorpus(NUM_FIELDS)
    corpus.observe(films())
    again, corpus_again = ContentBasis(NUM_FIELDS), ContentCorpus(NUM_FIELDS)
    again.load_state_dict(basis.state_dict())
    corpus_again.load_state_dict(corpus.state_dict())
    assert torch.equal(again(films()), basis(films()))
    first, second = (one.fit(torch.ones(NUM_FIELDS), 8) for one in (corpus, corpus_again))
    assert all(torch.equal(a.direction_VD, b.direction_VD) for a, b in zip(first, second, strict=True))
