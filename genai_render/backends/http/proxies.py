# SPDX-License-Identifier: GPL-3.0-or-later
"""By which proxy the internet is reached, as the preferences name it."""

from __future__ import annotations

SYSTEM_PROXY = "system"
NO_PROXY = "none"
OWN_PROXY = "own"
"""The one whose address is entered."""
