# SPDX-License-Identifier: GPL-3.0-or-later
"""Textures that are baked from pictures: what they lie on, how they are put on and taken off."""

from __future__ import annotations

from ...core import lazy

__getattr__ = lazy.submodules(__name__)
