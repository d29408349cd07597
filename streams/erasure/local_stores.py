"""How much the stores of this machine hold of one user: Feast rows, their history, the replay buffer. Only looks."""

from dataclasses import dataclass
from pathlib import Path

from streams.features.history import num_rows_of
from streams.features.rows import USER_COUNTERS
from streams.training.appended_changes import slates_of
from streams.training.buffer_database import BufferDatabase

__all__ = ["LocalTraces", "local_traces"]


@dataclass(frozen=True, slots=True)
class LocalTraces:
    """Numbers of what was found; None: there is no such store here."""

    feature_rows: int | None
    history_rows: int | None
    slates: int | None


def local_traces(data_dir: Path, user_id: str) -> LocalTraces:
    """What is found under the folder of a run, beside the processes that write there."""
    repo, buffer = data_dir / "feature_repo", data_dir / "buffer"
    has_repo = (repo / "feature_store.yaml").exists()
    return LocalTraces(
        _num_feature_rows(repo, user_id) if has_repo else None,
        num_rows_of(repo, USER_COUNTERS, user_id) if has_repo else None,
        _num_slates(buffer, user_id) if buffer.exists() else None,
    )


def _num_feature_rows(repo: Path, user_id: str) -> int:
    from streams.features.feast_reader import read_rows  # noqa: PLC0415  # takes seconds

    [row] = read_rows(repo, USER_COUNTERS, [user_id], ["impressions_total"]).values()
    return int(row["impressions_total"] is not None)


def _num_slates(folder: Path, user_id: str) -> int:
    store = BufferDatabase(folder, is_read_only=True)
    try:
        return len(slates_of(store, user_id))
    finally:
        store.close()
