# SPDX-License-Identifier: GPL-3.0-or-later
"""A view that was captured before, seen again in the scene that is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.errors import SceneError
from . import passes

if TYPE_CHECKING:
    import bpy

    from ...core.view.canvas import View
    from ...core.view.ids import Ids


def ids_now(context: bpy.types.Context, view: View) -> tuple[Ids, list[str]]:
    """Which object each pixel of that view would show now, and what to know of it.

    Raises SceneError for another scene, or one where the view shows nothing.
    """
    scene = context.scene
    if view.scene and view.scene != scene.name:
        raise SceneError(
            f'The image was made in the scene "{view.scene}"; "{scene.name}" is open.',
            action="Open the file and the scene that it was made from.",
        )
    notices = ["Where the objects are was seen in the scene as it is now."]
    if view.frame != scene.frame_current:
        notices = [
            f"Where the objects are was seen at frame {scene.frame_current}; the image is of "
            f"frame {view.frame}."
        ]
    return passes.capture_ids(context, view), notices
