"""What Feast serves: entities, sources, feature views and services, top to bottom. Run `feast apply` in this folder.

The one file of definitions: Feast imports every file of its folder on its own, so several could not share objects.
Columns come from the list that the worker writes by, for the catalogue fields declared in the settings. A run has a
feature repo of its own, made of these definitions by `streams.features.feast_repo`.
"""

from datetime import timedelta
from typing import NamedTuple

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Array, FeastType, Float32, Float64, Int64, String

from streams.features.history import CREATED_AT, EVENT_AT, history_folder
from streams.features.rows import ITEM_COUNTERS, JOIN_KEYS, USER_COUNTERS, view_columns
from streams.settings import CatalogueFields, Settings

__all__ = ["Definitions", "define", "item", "item_counters", "ranker", "user", "user_counters"]

_TYPES: dict[str, FeastType] = {
    "int64": Int64,
    "float64": Float64,
    "string_list": Array(String),
    "float_list": Array(Float32),
}


class Definitions(NamedTuple):
    """Everything that `feast apply` registers."""

    user: Entity
    item: Entity
    user_counters: FeatureView
    item_counters: FeatureView
    ranker: FeatureService


def define(catalogue: CatalogueFields) -> Definitions:
    """The definitions for a catalogue with these declared fields."""
    user = Entity(
        name="user",
        join_keys=[JOIN_KEYS[USER_COUNTERS]],
        value_type=ValueType.STRING,
        description="who visits the site; the key of the events topic",
    )
    item = Entity(
        name="item",
        join_keys=[JOIN_KEYS[ITEM_COUNTERS]],
        value_type=ValueType.STRING,
        description="a product, coupon or ad; the key of the catalogue topic",
    )
    user_counters = _view(USER_COUNTERS, user, catalogue, "what a user did lately and ever, and leans to")
    item_counters = _view(ITEM_COUNTERS, item, catalogue, "what users did with an item lately and ever")
    schema = catalogue.schema_.hash
    # A service pins what a model version reads, so its name carries the hash that stands in every checkpoint.
    ranker = FeatureService(
        name=f"ranker_{schema}",
        features=[user_counters, item_counters],
        tags={"feature_schema": schema},
        description="what models of this feature schema read",
    )
    return Definitions(user, item, user_counters, item_counters, ranker)


def _view(name: str, entity: Entity, catalogue: CatalogueFields, description: str) -> FeatureView:
    columns = view_columns(name, catalogue.affinity)
    history = FileSource(
        name=f"{name}_history",
        path=str(history_folder(name, columns)),
        timestamp_field=EVENT_AT,
        created_timestamp_column=CREATED_AT,
        description=f"rows of {name} as they were written",
    )
    return FeatureView(
        name=name,
        entities=[entity],
        # Rows are absolute and replaced as events come, so they do not expire; the worker removes what is gone.
        ttl=timedelta(0),
        schema=[
            Field(name=column.name, dtype=_TYPES[column.kind], description=column.description) for column in columns
        ],
        source=PushSource(name=f"{name}_push", batch_source=history),
        description=description,
    )


user, item, user_counters, item_counters, ranker = define(Settings().catalogue)
