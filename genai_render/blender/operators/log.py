# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to the log file."""

from __future__ import annotations

import bpy

from ...core import log
from ...core.errors import StorageError
from .reporting import TellingOperator, open_folder


class GENAI_RENDER_OT_show_log(TellingOperator):
    """Open the folder with the log, which says more about what went wrong and holds no key"""

    bl_idname = "genai_render.show_log"
    bl_label = "Show GenAI Log"
    bl_options = {"REGISTER"}

    def act(self, context: bpy.types.Context) -> set[str]:
        path = log.path()
        if path is None:
            raise StorageError("No log is kept.")
        path.parent.mkdir(parents=True, exist_ok=True)
        return open_folder(context, path.parent)


_CLASSES = (GENAI_RENDER_OT_show_log,)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
