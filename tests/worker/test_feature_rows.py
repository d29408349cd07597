from streams.features.items import ItemTable
from streams.settings import CatalogueFields
from streams.worker.feature_rows import user_rows


def test_a_flush_in_which_no_user_changed_gives_rows_of_no_user() -> None:
    """Windows that close on their own, and rejected records, change no user."""
    rows = user_rows([], ItemTable(CatalogueFields(), num_sources=1))
    assert rows.entity_ids == []
    assert all(len(column) == 0 for column in rows.columns.values())
