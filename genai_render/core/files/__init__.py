# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or not there, their names and locks, and tables of TOML."""

from __future__ import annotations

from ..lazy import submodules

__getattr__ = submodules(__name__)
