"""Feast's file offline store, made to work on a folder of many Parquet parts.

Feast joins with Dask, a Dask partition per file, and fails as soon as there are several files and an asked entity has
no row (it sorts a column with nulls over partitions). So the rows of the asked entities are first read into one file
with one row group, and Feast joins that. It also means that a question about few entities keeps little in memory.
"""

import copy
import functools
import operator
import tempfile
from pathlib import Path
from typing import Any, Literal

import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from feast import FeatureView, FileSource, RepoConfig
from feast.infra.offline_stores.dask import DaskOfflineStore, DaskOfflineStoreConfig

__all__ = ["HistoryOfflineStore", "HistoryOfflineStoreConfig"]


class HistoryOfflineStoreConfig(DaskOfflineStoreConfig):  # type: ignore[misc]  # Feast ships without types
    """The `offline_store` section of feature_store.yaml."""

    type: Literal["streams.features.feast_history.HistoryOfflineStore"] = (
        "streams.features.feast_history.HistoryOfflineStore"
    )


class HistoryOfflineStore(DaskOfflineStore):  # type: ignore[misc]  # Feast ships without types
    """`get_historical_features` over our parts; everything else as Feast's store does it."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | None,
        *rest: Any,
        **options: Any,
    ) -> Any:
        """Feast's lazy retrieval job. Rows are read now, as they stand."""
        scratch = tempfile.TemporaryDirectory(prefix="freshrank-history-")
        gathered = [_gather(config, table, entity_df, Path(scratch.name)) for table in feature_views]
        job = DaskOfflineStore.get_historical_features(config, gathered, feature_refs, entity_df, *rest, **options)
        job.scratch = scratch  # the job reads the files when it is asked for its result
        return job


def _gather(config: RepoConfig, table: FeatureView, entity_df: pd.DataFrame | None, scratch: Path) -> FeatureView:
    """A view like `table` whose source is one file with the rows of the asked entities."""
    source = table.batch_source
    rows = ds.dataset(FileSource.get_uri_for_file_path(config.repo_path, source.path), format="parquet")
    asked = _of_entities(table, entity_df) if isinstance(entity_df, pd.DataFrame) else None
    file = scratch / f"{table.projection.name_to_use()}.parquet"
    found = rows.to_table(filter=asked)
    pq.write_table(found, file, row_group_size=max(1, len(found)))
    gathered = copy.copy(table)
    gathered.batch_source = FileSource(
        name=source.name,
        path=str(file),
        timestamp_field=source.timestamp_field,
        created_timestamp_column=source.created_timestamp_column,
        field_mapping=source.field_mapping,
    )
    return gathered


def _of_entities(table: FeatureView, entity_df: pd.DataFrame) -> ds.Expression:
    asked = [
        ds.field(column.name).isin(
            pa.array(entity_df[table.projection.join_key_map.get(column.name, column.name)].unique())
        )
        for column in table.entity_columns
    ]
    return functools.reduce(operator.and_, asked)
