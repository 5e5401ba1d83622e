# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers and servers in the preferences: where each is, its key, how it is."""

from __future__ import annotations

from ...core import lazy

__getattr__ = lazy.submodules(__name__)
