# SPDX-License-Identifier: GPL-3.0-or-later
"""`--changed`: of what was made before, only that is made again whose view or request is another.

Every view is captured, which costs time but no money; what is the same to the last pixel is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core import fingerprint
from ...core.errors import InvalidInput, SceneError
from ...core.preflight import Prepared

if TYPE_CHECKING:
    from ...core.history.store import HistoryStore
    from ...core.request import RenderRequest
    from ...core.view.canvas import View

_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A shot whose picture is there already: its id in History. view: what it was captured from."""

    id: str
    view: View | None


Shot = Prepared | SceneError | Kept


class Earlier:
    """What History has of a file's pictures by their fingerprints, the newest of each.

    seed: of the newest picture with these words, so that new ones go with those that are kept.
    """

    def __init__(self, store: HistoryStore, blend: str, request: RenderRequest) -> None:
        self.seed: int | None = None
        self._ids: dict[str, str] = {}
        for item in store.search(blend=blend, model=request.model, status="done", limit=_MOST):
            if item.prompt != request.prompt or item.style != request.style:
                continue
            if request.seed is not None and item.seed != request.seed:
                continue
            known = fingerprint_of(store, item.id)
            if known:
                self._ids.setdefault(known, item.id)
                if self.seed is None:
                    self.seed = item.seed

    def find(self, request: RenderRequest) -> str | None:
        return self._ids.get(fingerprint.of(request))

    def kept(self, shots: Iterator[Shot]) -> Iterator[Shot]:
        """The same, with what need not be made again as it is."""
        for shot in shots:
            if isinstance(shot, Prepared) and shot.request is not None:
                known, canvas = self.find(shot.request), shot.request.canvas
                view = None if canvas is None else canvas.view
                yield shot if known is None else Kept(known, view)
            else:
                yield shot


def fingerprint_of(store: HistoryStore, item_id: str) -> str:
    """ "" for a picture that has none, from an older version."""
    info = store.record(item_id).get("result", {}).get("info", {})
    return str(info.get(fingerprint.KEY, "")) if isinstance(info, dict) else ""


def check(count: int) -> None:
    """Raises InvalidInput."""
    if count != 1:
        raise InvalidInput("--changed is for one picture a frame.", action="Leave --count out.")
