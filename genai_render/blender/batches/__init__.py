# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pictures of a batch or a pack are of: shared by the panel and the command line."""

from __future__ import annotations

from ...core import lazy

__getattr__ = lazy.submodules(__name__)
