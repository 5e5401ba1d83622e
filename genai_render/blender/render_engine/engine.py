# SPDX-License-Identifier: GPL-3.0-or-later
"""The render engine *GenAI Render*: F12, Ctrl-F12 and `blender -b -a` give finished pictures."""

# Blender's stubs say what it could pass, not what it does.
# pyright: reportIncompatibleMethodOverride=false, reportArgumentType=false
from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

from ...core import lazy, log
from ...core.errors import Cancelled, GenAIError
from .. import addon
from ..settings.scene_settings import RENDER_ENGINE
from ..translation import translated

if TYPE_CHECKING:
    from . import frame_render
else:  # not before something is rendered
    frame_render = lazy.module(f"{__package__}.frame_render")

_PASSES = (("Combined", "RGBA", "COLOR"), ("Depth", "Z", "VALUE"), ("Normal", "XYZ", "VECTOR"))


class GenAIRenderEngine(bpy.types.RenderEngine):
    bl_idname = RENDER_ENGINE
    bl_label = "GenAI Render"
    bl_use_preview = False
    bl_use_postprocess = True
    bl_use_eevee_viewport = True
    bl_use_shading_nodes_custom = False  # materials are those of Cycles and EEVEE

    def update_render_passes(self, scene=None, renderlayer=None) -> None:
        for name, channels, kind in _PASSES:
            self.register_pass(scene, renderlayer, name, len(channels), channels, kind)

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        if self.is_preview:
            return
        try:
            frame_render.FrameRender(self, depsgraph).run()
        except Cancelled as cancelled:
            _end_process()
            if not self.test_break():
                # From the panel: without an error, Blender would write an empty frame and go on.
                self.report({"ERROR"}, translated(cancelled.text, "reports"))
        except GenAIError as error:
            # Blender stops an animation at an error, and writes no file of that frame.
            self.report({"ERROR"}, translated(error.text, "reports"))
        except Exception as failure:
            self.report({"ERROR"}, translated(log.internal_error(failure).text, "reports"))


@bpy.app.handlers.persistent
def _over(*_: object) -> None:
    """A render has ended: also called in its thread."""
    _end_process()


def _end_process() -> None:
    processes = addon.existing(frame_render.CanvasProcesses)
    if processes is not None:
        processes.close()


def register() -> None:
    bpy.utils.register_class(GenAIRenderEngine)
    for handlers in (bpy.app.handlers.render_complete, bpy.app.handlers.render_cancel):
        handlers.append(_over)


def unregister() -> None:
    for handlers in (bpy.app.handlers.render_complete, bpy.app.handlers.render_cancel):
        if _over in handlers:
            handlers.remove(_over)
    bpy.utils.unregister_class(GenAIRenderEngine)
