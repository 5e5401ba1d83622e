# SPDX-License-Identifier: GPL-3.0-or-later
"""How often the scene has changed: what was found in it holds until the number is another one."""

from __future__ import annotations

import bpy

from . import addon


class SceneChanges:
    """Counts from the first time it is asked for."""

    def __init__(self) -> None:
        self.count = 0
        for handlers in _handlers():
            handlers.append(_changed)

    def close(self) -> None:
        for handlers in _handlers():
            if _changed in handlers:
                handlers.remove(_changed)


@bpy.app.handlers.persistent
def _changed(*_: object) -> None:
    addon.state(SceneChanges).count += 1


def _handlers() -> tuple[list, ...]:
    known = bpy.app.handlers
    return (
        known.depsgraph_update_post,
        known.frame_change_post,
        known.undo_post,
        known.redo_post,
        known.load_post,
    )


def count() -> int:
    """Another number after every change of any scene, and after another file was opened."""
    return addon.state(SceneChanges).count
