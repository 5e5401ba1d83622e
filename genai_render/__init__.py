# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a Blender view into a finished image, with a cloud model, your own server, or offline."""

from __future__ import annotations


def register() -> None:
    """Add genai_render's commands, properties, operators and panels to Blender."""
    from . import blender

    blender.register()


def unregister() -> None:
    """Take everything away again that `register` added."""
    from . import blender

    blender.unregister()
