# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded offline renderer: a Canvas lit, graded and drawn anew, with numpy and Pillow."""

from .look import Look
from .palette import Palette
from .picture import render

__all__ = ["Look", "Palette", "render"]
