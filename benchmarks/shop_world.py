"""The seeded shop's truth: items, users with hidden tastes, and the chance of everything that may follow a shown item.

Pure numpy, time is an argument. A dozen facts of real shops are in it on purpose: tastes that only clicks reveal, taste
that drifts, seasons whose items follow rules of their own, places that are looked at less, seconds that depend on the
category more than on interest, rare tasks that depend on what the common one does not, orders that come days late.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["DAY_S", "NUM_CATEGORIES", "NUM_STYLES", "Chances", "ShopSpec", "ShopWorld"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

DAY_S = 86_400.0
NUM_CATEGORIES, NUM_STYLES = 8, 4
# Shares of products, coupons and ads, and what a coupon or an ad adds to the logits of a click and of a cart.
_KIND_SHARES = (0.84, 0.08, 0.08)
_KIND_CLICK_LOGIT, _KIND_CART_LOGIT = np.array([0.0, 0.4, -0.6]), np.array([0.0, 0.8, -0.4])
_LOVED, _LOVED_LOGIT, _OTHER_LOGIT = 2, 1.4, -0.5
_APPEAL_SPREAD, _GENEROSITY_SPREAD, _BUDGET_SPREAD, _PRICE_WEIGHT = 0.4, 0.4, 0.6, 0.4
# How much styles decide: of items that are always there, and of a season's, whose styles lie a little apart.
_STYLE_WEIGHT, _SEASON_WEIGHT, _SEASON_OFFSET = 0.4, 1.5, 0.5
_CART_LOGIT, _ORDER_LOGIT, _CART_STYLE_WEIGHT, _ORDER_STYLE_WEIGHT = -1.3, -0.4, 0.7, 1.0
_DISLIKE_LOGIT, _DISLIKE_SLOPE, _DISLIKE_STYLE_WEIGHT = -4.2, -0.6, 0.8
# A book is read, a lamp is glanced at: median seconds and log spread by category, whatever the interest.
_DWELL_MEDIAN_S = np.array([60.0, 15.0, 40.0, 8.0, 90.0, 20.0, 12.0, 30.0])
_DWELL_LOG_SPREAD = np.array([0.5, 0.9, 0.7, 1.1, 0.6, 0.8, 1.0, 0.7])
_DWELL_SLOPE, _BOUNCE_LOGIT, _BOUNCE_SLOPE, _BOUNCE_MEAN_S = 0.35, -1.5, -0.7, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopSpec:
    """How large, how hard and how long. `season_of_day[d]`: 1 or 2 while that season is on, 0 for none.

    `drift_rad_per_day`: categories loved and base styles turn; `order_drift_rad_per_day`: what is bought once in the
    cart turns. `position_exponent`: place p from 0 is looked at with chance (1 + p)^-exponent. Of the orders, the share
    `prompt_order_frac` comes within minutes, the others after an exponential delay; none after `order_window_days`.
    """

    seed: int = 0
    num_users: int = 300
    num_items: int = 500
    num_slates: int = 6000
    slate_size: int = 12
    days: float = 8.0
    open_logit: float = -1.5
    position_exponent: float = 0.4
    drift_rad_per_day: float = 0.0
    order_drift_rad_per_day: float = 0.0
    season_of_day: tuple[int, ...] = ()
    season_item_frac: float = 0.0
    prompt_order_frac: float = 0.3
    order_delay_days: float = 1.5
    order_window_days: float = 7.0


_COLUMNS = ("cart_given_click_N", "order_given_cart_N", "dwell_median_s_N", "dwell_log_spread_N", "bounce_N")


@dataclass(frozen=True, slots=True)
class Chances:
    """What may follow rows as shown, float64[N]: chances by task, and of dwell the expectations after a click."""

    task: dict[str, Float64]
    """click, cart, order, dislike: position included."""
    cart_given_click_N: Float64
    order_given_cart_N: Float64
    dwell_median_s_N: Float64
    dwell_log_spread_N: Float64
    bounce_N: Float64

    def dwell_mean_s(self) -> Float64:
        """float64[N]: E[seconds] after a click: a log-normal visit, or a bounce."""
        visit_N = self.dwell_median_s_N * np.exp(self.dwell_log_spread_N**2 / 2)
        return np.asarray(self.bounce_N * _BOUNCE_MEAN_S + (1 - self.bounce_N) * visit_N)

    def take(self, rows: Int64) -> "Chances":
        """Of these rows."""
        task = {name: column[rows] for name, column in self.task.items()}
        return Chances(task, *(getattr(self, name)[rows] for name in _COLUMNS))

    @classmethod
    def joined(cls, parts: Sequence["Chances"]) -> "Chances":
        """Of the rows of all parts."""
        task = {name: np.concatenate([part.task[name] for part in parts]) for name in parts[0].task}
        return cls(task, *(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS))


class ShopWorld:
    """Items and users, drawn once from the seed."""

    def __init__(self, spec: ShopSpec) -> None:
        self.spec = spec
        rng = np.random.default_rng([spec.seed, 0])
        num_items, num_users = spec.num_items, spec.num_users
        self.category_I = rng.integers(0, NUM_CATEGORIES, num_items)
        self.kind_I = rng.choice(3, num_items, p=_KIND_SHARES)
        self.log_price_I = rng.normal(3.0, 0.7, num_items)
        self._appeal_I = rng.normal(0.0, _APPEAL_SPREAD, num_items)
        self.season_I = np.where(rng.random(num_items) < spec.season_item_frac, rng.integers(1, 3, num_items), 0)
        self._weight_SV = rng.normal(0.0, 1.0, (3, NUM_STYLES)) * np.array([[_STYLE_WEIGHT], [1.0], [1.0]])
        self._weight_SV[2] = -self._weight_SV[1]
        self._weight_SV[1:] *= _SEASON_WEIGHT / np.abs(self._weight_SV[1:]).mean(1, keepdims=True)
        centre_SV = np.stack([np.zeros(NUM_STYLES), *(sign * np.full(NUM_STYLES, _SEASON_OFFSET) for sign in (1, -1))])
        self.style_IV = rng.normal(0.0, 1.0, (num_items, NUM_STYLES)) + centre_SV[self.season_I]
        self._centre_SV = centre_SV
        self._turned_V, self._cart_V, self._dislike_V = (rng.normal(0.0, 1.0, NUM_STYLES) for _ in range(3))
        self._order_2V = rng.normal(0.0, _ORDER_STYLE_WEIGHT, (2, NUM_STYLES))
        self._loved_UC, self._later_UC = (_loved(rng, num_users) for _ in range(2))
        self._generosity_U = rng.normal(0.0, _GENEROSITY_SPREAD, num_users)
        self._budget_U = rng.normal(3.0, _BUDGET_SPREAD, num_users)

    def season(self, at_s: float) -> int:
        """Which season is on."""
        days = self.spec.season_of_day
        day = int(at_s // DAY_S)
        return days[day] if day < len(days) else 0

    def shelf(self, at_s: float) -> Int64:
        """Items that can be shown: those of no season, and of the one that is on."""
        return np.flatnonzero((self.season_I == 0) | (self.season_I == self.season(at_s)))

    def interest(self, user_N: Int64, item_N: Int64, at_s_N: Float64) -> Float64:
        """float64[N]: how much the user wants the item, in logits around 0."""
        angle_N = self.spec.drift_rad_per_day * at_s_N / DAY_S
        category_N, season_N = self.category_I[item_N], self.season_I[item_N]
        loved_N = np.cos(angle_N) * self._loved_UC[user_N, category_N]
        loved_N = loved_N + np.sin(angle_N) * self._later_UC[user_N, category_N]
        style_NV = self.style_IV[item_N] - self._centre_SV[season_N]
        turned_N = np.sin(angle_N) * (style_NV @ self._turned_V) * _STYLE_WEIGHT * (season_N == 0)
        scale_N = np.where(season_N == 0, np.cos(angle_N), 1.0)
        style_N = scale_N * (style_NV * self._weight_SV[season_N]).sum(1) + turned_N
        price_N = np.abs(self.log_price_I[item_N] - self._budget_U[user_N])
        return np.asarray(loved_N + style_N + self._appeal_I[item_N] - _PRICE_WEIGHT * price_N)

    def chances(self, user_N: Int64, item_N: Int64, position_N: Int64, at_s_N: Float64) -> Chances:
        """Of everything that may follow, for rows as they are shown."""
        interest_N, kind_N = self.interest(user_N, item_N, at_s_N), self.kind_I[item_N]
        style_NV, category_N = self.style_IV[item_N], self.category_I[item_N]
        look_N = (1.0 + position_N) ** -self.spec.position_exponent
        click_N = look_N * _sigmoid(
            self.spec.open_logit + self._generosity_U[user_N] + interest_N + _KIND_CLICK_LOGIT[kind_N]
        )
        cart_N = _CART_LOGIT + 0.5 * interest_N + _CART_STYLE_WEIGHT * (style_NV @ self._cart_V) / 2
        angle_N = self.spec.order_drift_rad_per_day * at_s_N / DAY_S
        bought_N = np.cos(angle_N) * (style_NV @ self._order_2V[0]) + np.sin(angle_N) * (style_NV @ self._order_2V[1])
        dislike_N = _DISLIKE_LOGIT + _DISLIKE_SLOPE * interest_N
        dislike_N = dislike_N + _DISLIKE_STYLE_WEIGHT * (style_NV @ self._dislike_V) / 2
        cart_given_click_N = _sigmoid(cart_N + _KIND_CART_LOGIT[kind_N])
        order_given_cart_N = _sigmoid(_ORDER_LOGIT + 0.3 * interest_N + bought_N)
        chance = {"click": click_N, "cart": click_N * cart_given_click_N}
        chance |= {
            "order": chance["cart"] * order_given_cart_N,
            "dislike": (look_N - click_N) * _sigmoid(dislike_N),
        }
        return Chances(
            task=chance,
            cart_given_click_N=cart_given_click_N,
            order_given_cart_N=order_given_cart_N,
            dwell_median_s_N=_DWELL_MEDIAN_S[category_N] * np.exp(_DWELL_SLOPE * interest_N),
            dwell_log_spread_N=_DWELL_LOG_SPREAD[category_N],
            bounce_N=_sigmoid(_BOUNCE_LOGIT + _BOUNCE_SLOPE * interest_N),
        )

    def sample_dwell_s(self, rng: np.random.Generator, chances: Chances) -> Float64:
        """float64[N]: one visit each, whether there is a click or not."""
        num_rows = len(chances.bounce_N)
        visit_N = chances.dwell_median_s_N * np.exp(rng.normal(0.0, 1.0, num_rows) * chances.dwell_log_spread_N)
        bounce_N = rng.exponential(_BOUNCE_MEAN_S, num_rows)
        return np.asarray(np.where(rng.random(num_rows) < chances.bounce_N, bounce_N, visit_N))

    def sample_order_delay_s(self, rng: np.random.Generator, num: int) -> Float64:
        """float64[num]: seconds from showing to ordering, within the window."""
        minutes_N = rng.exponential(300.0, num)
        days_N = rng.exponential(self.spec.order_delay_days * DAY_S, num)
        delay_N = np.where(rng.random(num) < self.spec.prompt_order_frac, minutes_N, days_N)
        return np.asarray(np.minimum(delay_N, self.spec.order_window_days * DAY_S - 1))


def _loved(rng: np.random.Generator, num_users: int) -> Float64:
    """float64[U, C]: each user loves a few categories and is cool to the rest."""
    order_UC = np.argsort(rng.random((num_users, NUM_CATEGORIES)), axis=1)
    return np.where(order_UC < _LOVED, _LOVED_LOGIT, _OTHER_LOGIT)


def _sigmoid(logit_N: Float64) -> Float64:
    return np.asarray(1.0 / (1.0 + np.exp(-logit_N)))
