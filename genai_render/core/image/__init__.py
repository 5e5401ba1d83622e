# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files: opened safely, written, and what they say about themselves."""

from __future__ import annotations

from ..lazy import submodules

__getattr__ = submodules(__name__)
