"""The record of a list, and its key: one for each user and surface, whatever their ids hold."""

from streams.ranking.record import Ranking, RankingRecord, ranking_key


def test_ids_with_bars_never_share_a_key() -> None:
    """Under one key compaction would keep the list of only one of them."""
    pairs = [("a|b", "c"), ("a", "b|c"), ("a", "b"), ("é", "home")]
    assert [ranking_key(*pair) for pair in pairs] == [b"a|b\0c", b"a\0b|c", b"a\0b", b"\xc3\xa9\0home"]


def test_what_the_worker_writes_has_the_fields_that_readers_are_given() -> None:
    assert list(RankingRecord.__annotations__) == list(Ranking.model_fields)
