# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image of History another was made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import NotFound

_GENERATIONS = 1000  # records that name each other in a circle end here


def view_holder(record: Callable[[str], Mapping[str, Any]], item_id: str) -> str:
    """The item whose view an image shows: its own, or that of the image which it changes; "" if
    there was none.

    record: all that is known of an item, by its id. Raises NotFound for an image that is not there,
    not for one before it: that may have been deleted for good.
    """
    for generation in range(_GENERATIONS):
        try:
            known = record(item_id)
        except NotFound:
            if generation == 0:
                raise
            return ""
        if known.get("canvas"):
            return item_id
        request = known.get("request") or {}
        if request.get("kind") != "edit" or not request.get("parent"):
            return ""
        item_id = str(request["parent"])
    return ""
