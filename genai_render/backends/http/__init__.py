# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to any server: settings, connection, what can go wrong, and when to try again."""

from __future__ import annotations

from ...core import lazy

__getattr__ = lazy.submodules(__name__)
