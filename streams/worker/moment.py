"""One event on its way through the state: what every handler is given."""

import msgspec

from streams.features.user_state import UserState
from streams.settings import Settings
from streams.worker.list_capture import ListCapture
from streams.worker.outputs import Outputs
from streams.worker.partition_state import PartitionState

__all__ = ["Moment"]


class Moment(msgspec.Struct, frozen=True):
    """One event on its way through the state. `at_ms`: its event time; `appended_at_ms`: the broker's time."""

    state: PartitionState
    settings: Settings
    out: Outputs
    user: UserState
    at_ms: int
    appended_at_ms: int
    watermark_ms: int
    lists: ListCapture

    @property
    def lateness_ms(self) -> int:
        """How far an action may seem to come before its impression."""
        return int(self.settings.worker.allowed_lateness_s * 1000)
