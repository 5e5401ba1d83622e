# SPDX-License-Identifier: GPL-3.0-or-later
"""Every result with all that made it: folders that are the truth, and an index over them."""

from __future__ import annotations

from ..lazy import submodules

__getattr__ = submodules(__name__)
