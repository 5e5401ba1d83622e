# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the log is, in the preferences."""

from __future__ import annotations

from typing import Any

from ...core import log
from ..translation import translated


def draw(layout: Any) -> None:
    path = log.path()
    if path is None:
        return
    row = layout.row(align=True)
    row.label(text=translated(f"Log: {path.name}"), icon="TEXT", translate=False)
    row.operator("genai_render.show_log", icon="FILE_FOLDER")
