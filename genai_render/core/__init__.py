# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is made from and kept as; knows neither Blender nor any provider."""

from __future__ import annotations

from .lazy import submodules

__getattr__ = submodules(__name__)
