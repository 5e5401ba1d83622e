# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model's images have really cost, against what its price list said: price lists grow old.

One wrong estimate says nothing, since a provider counts what nobody knows before. A model whose
estimate was wrong by more than a fifth three times is taken to cost what the last ones did.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .cost import dollars

WRONG = 0.2
"""The share by which an estimate may be off without being called wrong."""

TIMES = 3
LAST = 8
"""How many wrong ones it takes, among how many of the last."""


@dataclass(frozen=True, slots=True)
class SeenCost:
    """US dollars for one image: by the price list, and as it was paid."""

    listed: float
    paid: float

    @property
    def ratio(self) -> float:
        return self.paid / self.listed

    @property
    def wrong(self) -> bool:
        return abs(self.ratio - 1) > WRONG


@dataclass(frozen=True, slots=True)
class Correction:
    """ratio: how many times as much as listed the last images have cost; 1.0 for no correction.
    paid: what one of them cost in the middle. count: how many of them there were."""

    ratio: float = 1.0
    paid: float = 0.0
    count: int = 0

    @property
    def text(self) -> str:
        """For people, as a sentence; "" for no correction."""
        if self.ratio == 1.0:
            return ""
        more = "more" if self.ratio > 1 else "less"
        return (
            f"Its price list was wrong: the last {self.count} images cost {more}, about "
            f"{dollars(self.paid)} each, and it is estimated by that"
        )


NO_CORRECTION = Correction()


def correction(seen: Sequence[SeenCost]) -> Correction:
    """What to make of a model's images, the newest first."""
    last = [one for one in seen if one.listed > 0 and one.paid > 0][:LAST]
    if sum(one.wrong for one in last) < TIMES:
        return NO_CORRECTION
    ratio = statistics.median(one.ratio for one in last)
    if abs(ratio - 1) <= WRONG:
        return NO_CORRECTION
    return Correction(ratio, statistics.median(one.paid for one in last), len(last))
