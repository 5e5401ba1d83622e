# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the user's own: ComfyUI, and those with A1111's API."""

from __future__ import annotations

from ...core import lazy

__getattr__ = lazy.submodules(__name__)
