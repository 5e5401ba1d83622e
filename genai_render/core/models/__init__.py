# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be chosen, what it takes, and what it costs."""

from __future__ import annotations

from ..lazy import submodules

__getattr__ = submodules(__name__)
