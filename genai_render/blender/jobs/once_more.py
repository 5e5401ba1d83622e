# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that has left its scene, made once more with another seed, where the preferences say
so."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from ...core.bounds import MAX_SEED
from ...core.preflight import Prepared, prepare
from .. import addon, catalog

if TYPE_CHECKING:
    from ...core.request import RenderRequest
    from ...core.view.scene_match import Match
    from .work import Work


def wanted(work: Work, request: RenderRequest, found: Match | None) -> bool:
    """Whether an image is to be made again: at most once, and only what shows a view of its own."""
    prefs = addon.preferences()
    if prefs is None or not prefs.scene_again or found is None or work.once_more or not work.alone:
        return False
    shows_view = request.kind == "render" and request.canvas is not None
    return shows_view and prefs.scene_limit > 0 and found.left(prefs.scene_limit)


def prepared(request: RenderRequest, item_id: str, seen: float) -> Prepared:
    """The same with another seed, as one image. seen: see `prepare`."""
    model = catalog.catalog().model(request.model)
    again = request.with_(seed=random.randint(0, MAX_SEED), count=1, parent=item_id)
    return prepare(model, lambda: again, seen=seen)
