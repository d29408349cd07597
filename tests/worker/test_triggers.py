"""Which surfaces an action makes stale."""

from pathlib import Path

import pytest

from streams.examples.label_plan import LabelPlan
from streams.features.items import ItemTable
from streams.features.state_store import StateStore
from streams.ranking.candidates import CandidateIndex
from streams.settings import Settings
from streams.worker.list_capture import ListCapture
from streams.worker.partition import Partition
from streams.worker.partition_state import PartitionState
from tests.worker.event_log import records
from tests.worker.one_user import event, impression


@pytest.mark.parametrize(
    ("refreshed", "expected"), [(("home",), ["home"]), (("mail", "app"), ["mail", "app", "home"]), ((), [])]
)
def test_a_click_makes_declared_surfaces_stale_and_its_own_and_none_where_none_are_declared(
    engine_settings: Settings, tmp_path: Path, refreshed: tuple[str, ...], expected: list[str]
) -> None:
    ranking = engine_settings.ranking.model_copy(update={"surfaces": refreshed})
    settings = engine_settings.model_copy(update={"ranking": ranking})
    items, store = ItemTable(settings.catalogue, 1), StateStore(tmp_path / "state")
    state = PartitionState(0, store, items, LabelPlan.of(settings.labels))
    state.load()
    engine = Partition(state, settings, ListCapture(items, CandidateIndex(20)))
    log = [impression(0, "i1"), event("view", 1, item_id="i1"), event("click", 2, item_id="i1", slate_id="s1")]
    outputs = engine.process(records(log))
    store.close()
    assert [trigger.surface for trigger in outputs.triggers] == expected
