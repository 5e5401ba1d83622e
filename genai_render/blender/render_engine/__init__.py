# SPDX-License-Identifier: GPL-3.0-or-later
"""The render engine *GenAI Render*, and all that it needs of Blender."""

from __future__ import annotations

from . import engine, main_thread, property_panels


def register() -> None:
    main_thread.register()
    engine.register()
    property_panels.register()


def unregister() -> None:
    property_panels.unregister()
    engine.unregister()
    main_thread.unregister()
