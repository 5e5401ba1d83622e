# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an edit may change its source, and what is drawn over it."""

from __future__ import annotations

from ..lazy import submodules

__getattr__ = submodules(__name__)
