# SPDX-License-Identifier: GPL-3.0-or-later
"""Work of several steps that is under way beside the images: it is shown with its progress, and can
be cancelled."""

from __future__ import annotations

import bpy

from .. import addon, redraw

_REDRAW_SECONDS = 0.25


class Errand:
    """text: what is being done, for people. share: 0 to 1; a worker may set it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.share = 0.0
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Errands:
    """Those that are under way, in order."""

    def __init__(self) -> None:
        self.those: list[Errand] = []
        self._timer = self._tick  # one object: Blender knows a timer by its address

    def begin(self, text: str) -> Errand:
        errand = Errand(text)
        self.those.append(errand)
        if not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, first_interval=_REDRAW_SECONDS, persistent=True)
        redraw.sidebars()
        return errand

    def end(self, errand: Errand) -> None:
        if errand in self.those:
            self.those.remove(errand)
        redraw.sidebars()

    def _tick(self) -> float | None:
        redraw.sidebars()
        return _REDRAW_SECONDS if self.those else None

    def close(self) -> None:
        for errand in self.those:
            errand.cancel()
        self.those.clear()
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)


def errands() -> Errands:
    return addon.state(Errands)


def under_way() -> list[Errand]:
    existing = addon.existing(Errands)
    return [] if existing is None else existing.those
