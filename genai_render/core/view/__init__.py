# SPDX-License-Identifier: GPL-3.0-or-later
"""One view of the scene, pixel by pixel, and what two views know of each other."""

from __future__ import annotations

from ..lazy import submodules

__getattr__ = submodules(__name__)
