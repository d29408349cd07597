"""A live run (cut, killed and begun anew) beside a straight one: equal, and told where it is not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.examples.records import Labels, Shown, encode_record
from streams.features.state_store import StateStore
from streams.kafka.topic_reader import ReadRecord
from streams.replay.log_spool import LogSpool
from streams.replay.skew_check import Compared, ExampleCheck, compare_states
from streams.replay.straight_run import StraightRun
from streams.settings import LabelSettings, Settings
from tests.worker.event_log import START_MS, catalogue, records, shop_log

LOG = records(shop_log(num_slates=50, seed=6))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(num_partitions=1, data_dir=tmp_path, labels=LabelSettings(window_overrides_s={"click": 20.0}))


def spool(folder: Path) -> LogSpool:
    found = LogSpool(folder)
    items = [ReadRecord(0, n, START_MS, b"i", msgspec.json.encode(item)) for n, item in enumerate(catalogue())]
    found.add([ReadRecord(0, r.offset, r.timestamp, r.key, r.value) for r in LOG], is_event=True)
    found.add(items, is_event=False)
    return found


def run(settings: Settings, folder: Path, chunk: int) -> tuple[list[Shown | Labels], StateStore]:
    log = spool(folder / "log")
    straight = StraightRun(settings, folder / "state", chunk_records=chunk)
    examples = list(straight.run(log))
    log.close()
    return examples, straight.stores[0]


def checked(settings: Settings, folder: Path, live: Sequence[Shown | Labels], straight: Sequence[Any]) -> ExampleCheck:
    check = ExampleCheck(settings.catalogue.schema_, folder)
    check.take_live(encode_record(record) for record in live)
    for record in straight:
        check.take_straight(record)
    check.close()
    return check


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_features_labels_and_state_do_not_depend_on_chunks(settings: Settings, tmp_path: Path, chunk: int) -> None:
    live, live_state = run(settings, tmp_path / "live", chunk)
    straight, straight_state = run(settings, tmp_path / "straight", 500)
    # What came again after a kill, as Kafka would hold it.
    check = checked(settings, tmp_path / "check", [*live, *live[-30:]], straight)
    users, totals = Compared(), Compared()
    compare_states(live_state, straight_state, users, totals)

    assert [skew.is_equal for skew in check.skews] == [True, True, True]
    assert check.skews[1].num_F.tolist() == [500] * len(settings.catalogue.schema_.item)
    assert (check.lists, check.labels.is_equal) == (Compared(50, 50, 50), True)
    assert check.labels.equal >= 100
    assert (users, totals) == (Compared(12, 12, 12), Compared(60, 60, 60))


def test_what_differs_is_told_by_feature_list_label_user_and_item(settings: Settings, tmp_path: Path) -> None:
    straight, state = run(settings, tmp_path / "straight", 500)
    shown = [record for record in straight if isinstance(record, Shown)]
    labels = [record for record in straight if isinstance(record, Labels)]
    other = msgspec.structs.replace(shown[3], user=shown[20].user)
    changed = msgspec.structs.replace(labels[-1], values=[9.0] * len(labels[-1].values), revision=99)
    check = checked(settings, tmp_path / "check", [*shown[:3], other, *shown[5:], *labels, changed], straight)
    worse = StateStore(tmp_path / "worse")
    worse.write(state.scan(b""))
    user, item = msgspec.json.decode(state.get(b"u:u1") or b""), msgspec.json.decode(state.get(b"i:i5") or b"")
    worse.write([(b"u:u1", msgspec.json.encode(user | {"num_slates": 99})), (b"u:u2", None)])
    worse.write([(b"i:i5", msgspec.json.encode(item | {"totals": [0] * 6}))])
    users, totals = Compared(), Compared()
    compare_states(worse, state, users, totals)

    assert [skew.is_equal for skew in check.skews] == [False, True, True]
    assert check.lists == Compared(49, 50, 49, [shown[4].slate_id])
    assert (check.labels.live - check.labels.equal, len(check.labels.examples)) == (1, 1)
    assert (users, totals) == (Compared(11, 12, 10, ["u1", "u2"]), Compared(60, 60, 59, ["i5"]))


def test_a_spool_keeps_offsets_in_order_and_the_catalogue_first(tmp_path: Path) -> None:
    log = LogSpool(tmp_path)
    log.add(
        [ReadRecord(0, 5, 20, None, b"a"), ReadRecord(0, 6, 10, b"", None), ReadRecord(1, 1, 15, b"k", b"b")],
        is_event=True,
    )
    log.add([ReadRecord(0, 9, 20, b"i", b"c")], is_event=False)
    found = [(r.is_event, r.partition, r.offset, r.timestamp, r.key, r.value) for r in log]
    log.close()

    assert found == [
        (True, 1, 1, 15, b"k", b"b"),
        (False, 0, 9, 20, b"i", b"c"),
        (True, 0, 5, 20, None, b"a"),
        (True, 0, 6, 10, b"", None),
    ]
