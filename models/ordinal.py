"""Dwell as ordinal survival: P(dwell > t_k) for K thresholds, and the expectations that follow from it.

A visit that goes on is censored: only thresholds that it has already passed have a label. Expectations use the mean of
each interval as observed, so they are unbiased whenever the probabilities are (models.md 3.2: raw regression is not).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["LOGITS_PER_OUTPUT", "OrdinalScale", "VisitOutlook", "fit_thresholds", "survival"]

# An output of the net counts so many logits. Thresholds far apart need weights several times those of a regression over
# log seconds, and a step moves all weights by the same length: with 1 the head lags behind one (EXPERIMENTS.md).
LOGITS_PER_OUTPUT = 8.0


def survival(logits_NK: Tensor) -> Tensor:
    """float[N, K]: P(dwell > t_k), made monotone by the running minimum."""
    return logits_NK.sigmoid().cummin(-1).values


def fit_thresholds(dwell_s: Tensor, num_thresholds: int) -> Tensor:
    """float64[K]: K inner quantiles of `dwell_s`, strictly increasing. Raises ValueError without a positive value."""
    positive = dwell_s[dwell_s > 0].double()
    if len(positive) == 0:
        raise ValueError("no positive dwell among the rows given; thresholds need some; keep the ones you have")
    shares = torch.arange(1, num_thresholds + 1, dtype=torch.float64) / (num_thresholds + 1)
    quantiles = torch.quantile(positive, shares.to(positive.device))
    # Ties (a site that reports whole seconds) are spread, so that no two heads mean the same.
    for k in range(1, num_thresholds):
        quantiles[k] = torch.maximum(quantiles[k], quantiles[k - 1] * 1.05)
    return quantiles


@dataclass(frozen=True, slots=True)
class VisitOutlook:
    """Of a visit to each of N items, if there is one: P(it is long), E[seconds], E[log1p seconds]; float[N] each."""

    long_N: Tensor
    seconds_N: Tensor
    log_seconds_N: Tensor


class OrdinalScale(nn.Module):
    """Thresholds (seconds) and the mean seconds and log1p seconds between them; buffers, so part of a version."""

    threshold_s_K: Tensor
    mean_s_K1: Tensor
    mean_log_K1: Tensor

    def __init__(self, threshold_s: Sequence[float]) -> None:
        super().__init__()
        num_intervals = len(threshold_s) + 1
        self.register_buffer("threshold_s_K", torch.tensor(threshold_s, dtype=torch.float32))
        self.register_buffer("mean_s_K1", torch.zeros(num_intervals))
        self.register_buffer("mean_log_K1", torch.zeros(num_intervals))
        self.set_thresholds(self.threshold_s_K, torch.empty(0))

    def set_thresholds(self, threshold_s_K: Tensor, dwell_s: Tensor) -> None:
        """Sets the thresholds, and the interval means from observed seconds. An empty interval takes its middle."""
        edges = torch.cat([threshold_s_K.new_zeros(1), threshold_s_K, 2 * threshold_s_K[-1:]]).float()
        middle = (edges[1:] + edges[:-1]) / 2
        dwell = dwell_s.to(edges)
        interval = torch.bucketize(dwell, edges[1:-1])
        num_values = torch.bincount(interval, minlength=len(middle))
        means = (self.mean_s_K1, dwell, middle), (self.mean_log_K1, dwell.log1p(), middle.log1p())
        for buffer, values, fallback in means:
            sums = torch.zeros_like(middle).index_add_(0, interval, values)
            buffer.copy_(torch.where(num_values > 0, sums / num_values.clamp(min=1), fallback))
        self.threshold_s_K.copy_(threshold_s_K)

    def targets(self, dwell_s_N: Tensor, mask_N: Tensor, censored_N: Tensor) -> tuple[Tensor, Tensor]:
        """Labels float[N, K] (1 where dwell > t_k) and which of them are known bool[N, K]."""
        passed_NK = dwell_s_N.unsqueeze(1) > self.threshold_s_K
        known_NK = mask_N.unsqueeze(1) & (~censored_N.unsqueeze(1) | passed_NK)
        return passed_NK.float(), known_NK

    def expected_log_s(self, survival_NK: Tensor) -> Tensor:
        """float[N]: E[log1p dwell_s]."""
        return self._intervals(survival_NK) @ self.mean_log_K1

    def expected_s(self, survival_NK: Tensor) -> Tensor:
        """float[N]: E[dwell_s], seconds."""
        return self._intervals(survival_NK) @ self.mean_s_K1

    def longer_than(self, survival_NK: Tensor, seconds: float) -> Tensor:
        """float[N]: P(dwell > seconds), linear in log1p time between thresholds; 0 from twice the last one on."""
        edge_K2 = torch.cat([self.threshold_s_K.new_zeros(1), self.threshold_s_K, 2 * self.threshold_s_K[-1:]]).log1p()
        at = torch.tensor(seconds, device=edge_K2.device).log1p().clamp(max=edge_K2[-1])
        right = int(torch.bucketize(at, edge_K2).clamp(1, len(edge_K2) - 1))
        share = (at - edge_K2[right - 1]) / (edge_K2[right] - edge_K2[right - 1])
        one, zero = survival_NK.new_ones(len(survival_NK), 1), survival_NK.new_zeros(len(survival_NK), 1)
        passed_NK2 = torch.cat([one, survival_NK, zero], 1)
        return torch.lerp(passed_NK2[:, right - 1], passed_NK2[:, right], share)

    @staticmethod
    def _intervals(survival_NK: Tensor) -> Tensor:
        """float[N, K + 1]: P(dwell in interval)."""
        one, zero = survival_NK.new_ones(len(survival_NK), 1), survival_NK.new_zeros(len(survival_NK), 1)
        return torch.cat([one, survival_NK], 1) - torch.cat([survival_NK, zero], 1)
