"""The key of a list: one for each user and surface, whatever their ids hold."""

from streams.ranking.record import ranking_key


def test_ids_with_bars_never_share_a_key() -> None:
    """Under one key compaction would keep the list of only one of them."""
    pairs = [("a|b", "c"), ("a", "b|c"), ("a", "b"), ("é", "home")]
    assert [ranking_key(*pair) for pair in pairs] == [b"a|b\0c", b"a\0b|c", b"a\0b", b"\xc3\xa9\0home"]
