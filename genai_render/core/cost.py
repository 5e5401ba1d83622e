# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request will cost, before anything is sent."""

from __future__ import annotations

from .catalog import Model
from .errors import OverBudget
from .request import RenderRequest


def estimate(model: Model, request: RenderRequest) -> float | None:
    """US dollars for all images of the request; None where the price is unknown."""
    if model.price is None or request.resolution not in model.price.per_image:
        return None
    return model.price.per_image[request.resolution] * request.count


def check_budget(estimated: float | None, maximum: float | None) -> None:
    """Raises OverBudget if it would cost more than the maximum, or nobody can tell."""
    if maximum is None:
        return
    if estimated is None:
        raise OverBudget(
            "The price of this model is not known, so your limit cannot be kept.",
            action="Leave the limit out, or choose another model.",
        )
    if estimated > maximum:
        raise OverBudget(
            f"This would cost about ${estimated:.2f}; your limit is ${maximum:.2f}.",
            action="Raise the limit, lower the count or the resolution, or choose another model.",
        )
