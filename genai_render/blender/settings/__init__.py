# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user has set: in the scene, in the window, references, and their pictures."""

from __future__ import annotations

from ...core import lazy

__getattr__ = lazy.submodules(__name__)
