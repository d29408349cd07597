"""The seeded world: users with hidden tastes over a shop, and what they would do with an item shown to them.

Pure: one numpy Generator per concern, time is an argument, nothing is sampled after construction (shoppers.py does
that). It also knows the best order of any list and what a shown list is worth, so that "it learned" can be checked.
Letters: U users, C categories, B brands, T tags, N items of a list.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.demo.shop import CATEGORIES, Shop, make_shop

__all__ = ["CANCEL_FRAC", "World", "WorldSpec"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

MS_PER_H = 3_600_000
# Spreads of the parts of interest, in logits: category tells most, then tags, brand, price and the item itself.
_LOVED_CATEGORIES, _LOVED_CATEGORY, _OTHER_CATEGORY = 2, 1.6, -0.6
_TAG_SPREAD, _BRAND_SPREAD, _PRICE_WEIGHT = 0.8, 0.4, 0.5
_BUDGET_LOG_SPREAD = 0.6
_GENEROSITY_SPREAD = 0.5
# Given a click: logit of a cart and of an order at interest 0, and how much interest adds.
_CART_BASE, _ORDER_BASE, _INTEREST_SLOPE = -1.4, -0.6, 0.8
_COUPON_CART_BONUS = 0.5
# Dwell: median seconds by category (a book is read, a lamp is glanced at), whatever the interest.
_DWELL_MEDIAN_S = np.array([4.0, 4.0, 11.0, 2.5, 9.0, 3.5, 3.0, 6.0])
_DWELL_SLOPE, _DWELL_LOG_SPREAD = 0.35, 0.6
_DISLIKE_BASE, _DISLIKE_SLOPE = -4.0, -0.8
# Of orders, so many are called off; a visit shorter than this is a quick back, as models.tasks has it.
CANCEL_FRAC = 0.05
QUICK_BACK_S = 5.0


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """How large and how hard the world is.

    `open_logit`: logit of opening an item of interest 0 that was looked at. `position_exponent`: the chance that place
    p (from 0) is looked at is (1 + p)^-exponent. `drift_rad_per_h`: tastes turn towards other categories at this rate.
    """

    seed: int = 0
    num_items: int = 400
    num_users: int = 400
    coupon_frac: float = 0.08
    ad_frac: float = 0.08
    open_logit: float = -1.6
    position_exponent: float = 0.5
    drift_rad_per_h: float = 0.0
    starts_at_ms: int = 1_700_000_000_000


class World:
    """A shop, its users' hidden tastes, and the chances that follow from them."""

    def __init__(self, spec: WorldSpec) -> None:
        self.spec = spec
        of_shop, of_tastes, of_prices = (np.random.default_rng(s) for s in np.random.SeedSequence(spec.seed).spawn(3))
        self.shop: Shop = make_shop(of_shop, spec.num_items, spec.coupon_frac, spec.ad_frac)
        self.user_ids = tuple(f"user-{user:04d}" for user in range(spec.num_users))
        self._category_UC = _loved_categories(of_tastes, spec.num_users)
        self._category_later_UC = _loved_categories(of_tastes, spec.num_users)
        self._tag_UT = of_tastes.normal(0.0, _TAG_SPREAD, (spec.num_users, self.shop.tag_IT.shape[1]))
        self._brand_UB = of_tastes.normal(0.0, _BRAND_SPREAD, (spec.num_users, self.shop.num_brands))
        self._generosity_U = of_tastes.normal(0.0, _GENEROSITY_SPREAD, spec.num_users)
        self._budget_U = of_prices.normal(np.nanmedian(np.log(self.shop.price_I)), _BUDGET_LOG_SPREAD, spec.num_users)

    def catalogue(self) -> list[dict[str, Any]]:
        """The records for `catalogue`, one per item."""
        return [self.shop.catalogue_item(item) for item in range(self.shop.num_items)]

    def interest(self, user: int, items_N: Int64, at_ms: int) -> Float64:
        """float64[N]: how much the user wants each item, in logits around 0."""
        shop = self.shop
        angle = self.spec.drift_rad_per_h * (at_ms - self.spec.starts_at_ms) / MS_PER_H
        category_C = np.cos(angle) * self._category_UC[user] + np.sin(angle) * self._category_later_UC[user]
        price_N = np.nan_to_num(np.abs(np.log(shop.price_I[items_N]) - self._budget_U[user]), nan=0.0)
        return np.asarray(
            category_C[shop.category_I[items_N]]
            + shop.tag_IT[items_N] @ self._tag_UT[user]
            + self._brand_UB[user, shop.brand_I[items_N]]
            + shop.appeal_I[items_N]
            - _PRICE_WEIGHT * price_N
        )

    def p_look(self, positions_N: Int64) -> Float64:
        """float64[N]: the chance that a place of the list is looked at (position bias); 1 for the first."""
        return np.asarray((1.0 + positions_N) ** -self.spec.position_exponent)

    def outcomes(self, user: int, items_N: Int64, at_ms: int) -> dict[str, Float64]:
        """What is expected of each item if it is looked at, by task as in models.tasks; each float64[N].

        Chances, but for dwell: expected log(1 + seconds), 0 where the item is not opened.
        """
        interest_N = self.interest(user, items_N, at_ms)
        click_N = _sigmoid(self.spec.open_logit + self._generosity_U[user] + interest_N)
        cart_N = click_N * self.p_cart(interest_N, items_N)
        order_N, median_N = cart_N * self.p_order(interest_N), self.dwell_median_s(interest_N, items_N)
        return {
            "click": click_N,
            "dwell": click_N * np.log1p(median_N),
            "cart": cart_N,
            "order": order_N,
            "order_cancelled": CANCEL_FRAC * order_N,
            "dislike": self.p_dislike(interest_N),
            "quick_back": click_N * _p_below(QUICK_BACK_S, median_N),
        }

    def p_cart(self, interest_N: Float64, items_N: Int64) -> Float64:
        """float64[N]: the chance of a cart once the item is open; coupons go there easily."""
        bonus_N = _COUPON_CART_BONUS * (self.shop.kind_I[items_N] == 1)
        return _sigmoid(_CART_BASE + _INTEREST_SLOPE * interest_N + bonus_N)

    def p_order(self, interest_N: Float64) -> Float64:
        """float64[N]: the chance that what is in the cart is bought."""
        return _sigmoid(_ORDER_BASE + _INTEREST_SLOPE * interest_N)

    def p_dislike(self, interest_N: Float64) -> Float64:
        """float64[N]: the chance that an item looked at is waved away."""
        return _sigmoid(_DISLIKE_BASE + _DISLIKE_SLOPE * interest_N)

    def dwell_median_s(self, interest_N: Float64, items_N: Int64) -> Float64:
        """float64[N]: the median of the log-normal dwell time; category confounds interest on purpose."""
        return np.asarray(_DWELL_MEDIAN_S[self.shop.category_I[items_N]] * np.exp(_DWELL_SLOPE * interest_N))

    def sample_dwell_s(self, rng: np.random.Generator, median_s: float) -> float:
        """One dwell time, in seconds."""
        return float(median_s * np.exp(rng.normal(0.0, _DWELL_LOG_SPREAD)))

    def worth(self, user: int, items_N: Int64, at_ms: int, weights: Mapping[str, float]) -> Float64:
        """float64[N]: the weighted sum of the outcomes, with the ranker's own score weights by task."""
        outcomes = self.outcomes(user, items_N, at_ms)
        return np.asarray(sum((weights.get(task, 0.0) * value_N for task, value_N in outcomes.items()), np.float64(0)))

    def oracle(self, user: int, items_N: Int64, at_ms: int, weights: Mapping[str, float]) -> Int64:
        """The items in the best order: by worth, best first."""
        return items_N[np.argsort(-self.worth(user, items_N, at_ms, weights), kind="stable")]

    def expected_worth(self, user: int, shown_N: Int64, at_ms: int, weights: Mapping[str, float]) -> float:
        """What a list is worth as shown: each place counts by the chance that it is looked at.

        Quality is this, summed over lists, over the same of the oracle's lists: at most 1.
        """
        return float(self.p_look(np.arange(len(shown_N))) @ self.worth(user, shown_N, at_ms, weights))


def _loved_categories(rng: np.random.Generator, num_users: int) -> Float64:
    """float64[U, C]: each user loves a few categories and is cool to the rest."""
    order_UC = np.argsort(rng.random((num_users, len(CATEGORIES))), axis=1)
    return np.where(order_UC < _LOVED_CATEGORIES, _LOVED_CATEGORY, _OTHER_CATEGORY)


def _p_below(seconds: float, median_N: Float64) -> Float64:
    """float64[N]: the chance that a log-normal time is shorter."""
    z_N = np.log(seconds / median_N) / _DWELL_LOG_SPREAD
    return np.array([0.5 * (1.0 + math.erf(z / math.sqrt(2.0))) for z in z_N])


def _sigmoid(logit_N: Float64) -> Float64:
    return np.asarray(1.0 / (1.0 + np.exp(-logit_N)))
