# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, and how they stay out of all else."""

from __future__ import annotations

from ..lazy import submodules

__getattr__ = submodules(__name__)
