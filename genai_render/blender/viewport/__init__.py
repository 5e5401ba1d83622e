# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn in the 3D Viewport: results, frame, grips, the live view, projections."""

from __future__ import annotations

from ...core import lazy

__getattr__ = lazy.submodules(__name__)
