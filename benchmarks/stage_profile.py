"""Where a worker process spends its processor time, by stage: a look at every thread each few milliseconds of it.

The processor time that a thread took since the last look counts for the stage it is found in: the innermost function
that a rule names. What no Python thread took (RocksDB's and Arrow's own threads) is a stage of its own.
"""

import json
import signal
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

__all__ = ["StageProfile", "stage_of"]

INTERVAL_S = 0.005
OTHER, NATIVE = "other", "threads of RocksDB and Arrow"
# (end of the file's path, function or "" for any) -> stage; the first rule that holds for a frame counts.
RULES: tuple[tuple[str, str, str], ...] = (
    ("events/decode.py", "", "decode and validate"),
    ("events/rejection.py", "", "decode and validate"),
    ("events/dedupe.py", "", "dedupe"),
    ("worker/partition_state.py", "is_new_event", "dedupe"),
    ("worker/partition_state.py", "_segments", "dedupe"),
    ("worker/partition_state.py", "_drain_ids", "state as records"),
    ("worker/partition_state.py", "_drain_items", "counts as records"),
    ("worker/partition_state.py", "drain", "state as records"),
    ("features/user_record.py", "encode_user", "state as records"),
    ("features/user_record.py", "decode_user", "state from disk"),
    ("examples/slates.py", "encode_slate", "state as records"),
    ("examples/slates.py", "decode_slate", "state from disk"),
    ("features/state_table.py", "get", "state from disk"),
    ("features/state_store.py", "write", "state to disk"),
    ("features/state_store.py", "", "state from disk"),
    ("features/user_state.py", "", "user state"),
    ("features/source_counts.py", "", "item counts"),
    ("features/items.py", "apply", "item counts of the topic"),
    ("features/items.py", "count", "item counts"),
    ("features/items.py", "count_one", "item counts"),
    ("features/items.py", "add_dwell", "item counts"),
    ("features/items.py", "add_co_click", "item counts"),
    ("features/capture.py", "", "features captured"),
    ("features/cross_features.py", "", "features captured"),
    ("features/user_history.py", "", "features captured"),
    ("worker/shown_record.py", "", "examples"),
    ("examples/records.py", "", "examples"),
    ("examples/label_windows.py", "labels_record", "examples"),
    ("examples/", "", "attribution"),
    ("worker/handlers.py", "_attribute", "attribution"),
    ("worker/handlers.py", "", "handlers"),
    ("worker/partition.py", "", "event loop of a chunk"),
    ("kafka/record_sender.py", "write", "changelog"),
    ("worker/open_partition.py", "_item_counts", "item counts sent"),
    ("worker/sent_records.py", "", "outputs sent"),
    ("worker/feature_rows.py", "", "Feast rows"),
    ("features/feast_writer.py", "", "Feast rows"),
    ("worker/knowledge.py", "on_item_counts", "item counts of the topic"),
    ("worker/knowledge.py", "refresh", "candidate lists"),
    ("worker/counted.py", "", "metrics"),
    ("worker/serving.py", "", "re-ranking, shed"),
    ("kafka/record_sender.py", "", "outputs sent"),
    ("kafka/chunk_transport.py", "", "transport and commits"),
    ("aiokafka/producer/", "", "records to the broker"),
    ("aiokafka/consumer/", "", "transport and commits"),
    ("aiokafka/", "", "connections to the broker"),
    ("faust/", "", "transport and commits"),
    ("mode/", "", "transport and commits"),
)


def stage_of(frame: FrameType | None) -> str:
    """The stage of a stack: of its innermost function that has one."""
    while frame is not None:
        path, name = frame.f_code.co_filename, frame.f_code.co_name
        for part, function, stage in RULES:
            if part in path and (not function or function == name):
                return stage
        frame = frame.f_back
    return OTHER


class StageProfile:
    """Seconds of processor time by stage, from `start` on. Call `start` in the main thread."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._before: dict[int, float] = {}
        self._process_s = 0.0

    def start(self) -> None:
        """Begin to look."""
        self._process_s = time.process_time()
        self._before = self._threads_s()
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)

    def write(self, path: Path) -> None:
        """End, and write what was found as JSON."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        path.write_text(json.dumps(dict(sorted(self.seconds.items(), key=lambda found: -found[1]))))

    def _look(self, _: int, frame: FrameType | None) -> None:
        now, process_s = self._threads_s(), time.process_time()
        frames: dict[int, FrameType | None] = dict(sys._current_frames())  # noqa: SLF001  there is no other way
        frames[threading.get_ident()] = frame
        passed_s = {ident: at_s - self._before.get(ident, 0.0) for ident, at_s in now.items()}
        for ident, spent_s in passed_s.items():
            if spent_s > 0:
                self.seconds[stage_of(frames.get(ident))] += spent_s
        self.seconds[NATIVE] += max(process_s - self._process_s - sum(passed_s.values()), 0.0)
        self._before, self._process_s = now, process_s

    @staticmethod
    def _threads_s() -> dict[int, float]:
        found: dict[int, float] = {}
        for thread in threading.enumerate():
            if thread.ident is not None and thread.is_alive():
                found[thread.ident] = time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        return found
