"""What an evaluation measures: each ranker's lists against the clicks that came after them. Pure.

Lists with a click are split by time; ranking figures are over those after the split, probability figures over all lists
after it. All definitions are those of models.metrics, the same that the trainer and its gate use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import metrics
from streams.replay.baselines import BASELINES, Baselines
from streams.replay.ranked_lists import ListCollector, RankedList

__all__ = ["RANKERS", "Evaluation", "Quality", "lists_after_split", "measure"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

RANKERS = (*BASELINES, "freshrank")
_K = 10


@dataclass(frozen=True, slots=True)
class Quality:
    """Ranking figures by ranker, over lists with a click; probability figures of freshrank, over all lists."""

    lists: int
    lists_with_click: int
    ndcg_at_10: dict[str, float]
    mrr: dict[str, float]
    auc: float
    normalised_entropy: float
    pcoc: float


class Evaluation:
    """Takes the log's events in order and freshrank's answers as they come; knows the quality of any part."""

    def __init__(self, seed: int) -> None:
        self._collector = ListCollector()
        self._baselines = Baselines(seed)

    @property
    def lists(self) -> list[RankedList]:
        """All lists so far, in order."""
        return self._collector.lists

    def take_event(self, event: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], RankedList | None]:
        """The events to send for this one, and the list that begins with it; the baselines have scored that."""
        to_send, begun = self._collector.take(event)
        if begun is not None:
            self._baselines.score(begun)
        for one in to_send:
            self._baselines.learn(one)
        return list(to_send), begun

    def take_ranking(self, ranking: Mapping[str, Any]) -> bool:
        """An answer of freshrank; the first to a request counts. False when it is none that an evaluation waits for."""
        one = self._collector.find(ranking["user_id"], ranking["slate_id"])
        if ranking["cause"] != "request" or one is None or one.p_click is not None:
            return False
        one.take_answer(ranking)
        return True

    @property
    def model_versions(self) -> set[int]:
        """The models that answered a list so far."""
        return {one.model_version for one in self.lists if one.model_version}

    def unanswered(self) -> list[RankedList]:
        """Lists that freshrank has not answered."""
        return [one for one in self.lists if one.p_click is None]


def lists_after_split(lists: Sequence[RankedList], train_frac: float) -> list[RankedList]:
    """All lists from the first after the split on; `train_frac` of the lists with a click lie before it."""
    places = [place for place, one in enumerate(lists) if one.clicked]
    num_before = int(train_frac * len(places))
    return list(lists[places[num_before] :]) if num_before < len(places) else []


def measure(lists: Sequence[RankedList]) -> Quality:
    """The quality over these lists. A figure that they do not define (none with a click, one class only) is nan."""
    with_click = [one for one in lists if one.clicked]
    y_N, slate_N, place_N = _gains(with_click)
    ndcg, mrr = {}, {}
    for ranker in RANKERS:
        scores_N = np.concatenate([np.empty(0), *(_scores(one, ranker) for one in with_click)])
        ndcg[ranker] = _mean(metrics.ndcg_at_k(y_N, scores_N, slate_N, place_N, _K))
        mrr[ranker] = _mean(metrics.mrr(y_N, scores_N, slate_N, place_N))
    y_N = _gains(lists)[0]
    p_N = np.concatenate([np.empty(0), *(_p_click(one) for one in lists)])
    y_N, p_N = y_N[np.isfinite(p_N)], p_N[np.isfinite(p_N)]
    return Quality(
        lists=len(lists),
        lists_with_click=len(with_click),
        ndcg_at_10=ndcg,
        mrr=mrr,
        auc=metrics.auc(y_N, p_N),
        normalised_entropy=metrics.normalised_entropy(y_N, p_N),
        pcoc=metrics.pcoc(y_N, p_N),
    )


def _gains(lists: Sequence[RankedList]) -> tuple[Float64, Int64, Int64]:
    """Labels, list number and place of every item of the lists, each [N]."""
    sizes = [len(one.item_ids) for one in lists]
    y_N = np.concatenate([np.empty(0), *(one.gains for one in lists)])
    place_N = np.concatenate([np.empty(0, np.int64), *(np.arange(size) for size in sizes)])
    return y_N, np.repeat(np.arange(len(lists)), sizes), place_N


def _scores(one: RankedList, ranker: str) -> Float64:
    """A list that the ranker did not answer stays as it was: all scores are equal."""
    return one.scores.get(ranker, np.zeros(len(one.item_ids)))


def _p_click(one: RankedList) -> Float64:
    return one.p_click if one.p_click is not None else np.full(len(one.item_ids), np.nan)


def _mean(per_list: Float64) -> float:
    return float(np.mean(per_list)) if len(per_list) else float("nan")
