# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an image has left its scene, as colors over it: found out in the background when it is
first looked at, and kept with the image."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ...core import lazy
from ...core.errors import GenAIError
from .. import addon, background, redraw
from ..jobs import scene_state, session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...core.history.store import HistoryStore
    from ...core.view.scene_match import Match
else:
    np = lazy.module("numpy")

_SIDE = 256  # pixels of the longer side: a window that is measured has 64 of 512
_KEPT = 8


class Heat:
    """By image and limit: floats until they are drawn for the first time; None where there is
    nothing to tell. asked: those that are being found out."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, float], Any] = {}
        self.asked: set[tuple[str, float]] = set()

    def texture(self, item_id: str, width: int, height: int) -> Any | None:
        """None while it is being found out, and where nothing can be."""
        import gpu

        limit = scene_state.limit()
        key = item_id, limit
        if key not in self.known:
            self._find_out(key, width, height)
            return None
        found = self.known.pop(key)
        if isinstance(found, np.ndarray):
            data = gpu.types.Buffer("FLOAT", found.size, found.ravel())  # pyright: ignore
            size = found.shape[1], found.shape[0]
            found = gpu.types.GPUTexture(size, format="RGBA8", data=data)
        self.known[key] = found
        while len(self.known) > _KEPT:
            del self.known[next(iter(self.known))]
        return found

    def _find_out(self, key: tuple[str, float], width: int, height: int) -> None:
        current = session.opened()
        if key in self.asked or current is None:
            return
        self.asked.add(key)
        store = current.store
        scale = _SIDE / max(width, height)
        size = max(1, round(width * scale)), max(1, round(height * scale))

        def then(done: tuple[Match | None, NDArray[np.float32] | None]) -> None:
            self.asked.discard(key)
            self.known[key] = done[1]
            scene_state.take(key[0], done[0])
            redraw.viewports()
            redraw.sidebars()

        background.run(lambda: _found(store, key[0], key[1], size), then, lane="match")

    def close(self) -> None:
        self.known.clear()


def heat() -> Heat:
    return addon.state(Heat)


def _found(
    store: HistoryStore, item_id: str, limit: float, size: tuple[int, int]
) -> tuple[Match | None, NDArray[np.float32] | None]:
    """In the background: how far it is, and (H, W, 4) float32 with row 0 at the bottom."""
    from ...core.history import scene_matches
    from ...core.view import scene_match

    found = None
    with contextlib.suppress(GenAIError):
        found = scene_matches.kept(store.get(item_id).folder)
        if found is None:  # made before these were kept, or an edit of what has a view
            found = scene_matches.measure_kept(store, item_id)
    if found is None:
        return None, None
    pixels = scene_match.heat_picture(found, limit, *size)
    return found, np.ascontiguousarray(pixels[::-1].astype(np.float32) / np.float32(255))
