# SPDX-License-Identifier: GPL-3.0-or-later
"""Render backends: each turns a request into events."""

from __future__ import annotations

from ..core import lazy

__getattr__ = lazy.submodules(__name__)
