# SPDX-License-Identifier: GPL-3.0-or-later
"""How the internet is reached where no proxy of one's own is named."""

from __future__ import annotations

SYSTEM_PROXY = "system"
NO_PROXY = "none"
