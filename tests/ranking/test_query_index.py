import math

from hypothesis import given
from hypothesis import strategies as st

from streams.ranking.query_index import ITEM_WORDS_MAX, QueryIndex, item_words, tokenise


def matches(index: QueryIndex, query: str) -> dict[int, float]:
    slots, scores = index.match(query)
    return {slot: round(score, 6) for slot, score in zip(slots.tolist(), scores.tolist(), strict=True)}


def idf(num_items: int, num_with_word: int) -> float:
    return round(math.log(1 + (num_items - num_with_word + 0.5) / (num_with_word + 0.5)), 6)


def shoes() -> QueryIndex:
    index = QueryIndex()
    for slot, title in ((1, "Red running shoes"), (2, "red hat"), (3, "Straße & Größe: blaue SCHUHE")):
        index.update(slot, item_words({"title": title}))
    return index


def test_words_are_lower_case_runs_of_unicode_letters_and_digits() -> None:
    assert list(tokenise("Größe 42, ROUGE-clair!")) == ["größe", "42", "rouge", "clair"]


def test_words_come_from_title_text_tags_category_and_brand() -> None:
    item = {"item_id": "x", "title": "A", "text": "b", "tags": ["c", "d"], "category": "e", "brand": "f", "price": 1.0}
    assert item_words(item) == tuple("abcdef")


def test_a_description_without_end_is_cut() -> None:
    assert len(item_words({"text": " ".join(f"w{n}" for n in range(5000))})) == ITEM_WORDS_MAX


def test_score_sums_idf_so_that_a_rare_word_outweighs_a_common_one() -> None:
    assert matches(shoes(), "red shoes") == {1: round(idf(3, 2) + idf(3, 1), 6), 2: idf(3, 2)}


def test_unknown_words_and_an_empty_query_match_nothing() -> None:
    assert matches(shoes(), "umbrella") == matches(shoes(), "") == matches(QueryIndex(), "red") == {}


def test_an_update_replaces_words_and_a_removal_takes_all() -> None:
    index = shoes()
    index.update(2, item_words({"title": "blue hat"}))
    assert set(matches(index, "red")) == {1}
    assert set(matches(index, "hat blue")) == {2}
    index.remove(2)
    index.remove(99)
    assert matches(index, "hat") == {}
    assert len(index) == 2


@given(st.lists(st.tuples(st.integers(0, 5), st.lists(st.sampled_from("abcd"), unique=True).map(tuple)), max_size=30))
def test_an_index_equals_one_built_from_the_last_words_of_each_item(updates: list[tuple[int, tuple[str, ...]]]) -> None:
    """Words of older versions of an item must leave no trace, whatever the order of updates."""
    index, fresh = QueryIndex(), QueryIndex()
    for slot, words in updates:
        index.update(slot, words)
    for slot, words in dict(updates).items():
        fresh.update(slot, words)
    assert matches(index, "a b c d") == matches(fresh, "a b c d")
    assert len(index) == len(fresh)
