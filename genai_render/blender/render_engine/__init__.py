# SPDX-License-Identifier: GPL-3.0-or-later
"""The render engine *GenAI Render*. Its panels in the Properties editor are among the panels."""

from __future__ import annotations

from . import engine, main_thread


def register() -> None:
    main_thread.register()
    engine.register()


def unregister() -> None:
    engine.unregister()
    main_thread.unregister()
