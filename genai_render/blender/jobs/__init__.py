# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is set to a request, to the queue and into History."""

from __future__ import annotations

from ...core import lazy

__getattr__ = lazy.submodules(__name__)
