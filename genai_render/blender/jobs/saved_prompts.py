# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts that the user keeps, in the extension's own folder; recent ones come from History."""

from __future__ import annotations

import json
from pathlib import Path

from ...core import storage
from ...core.errors import GenAIError
from ..preferences import user_folder
from . import session

MOST_SAVED = 200
MOST_RECENT = 15

_saved: list[str] | None = None


def _path(create: bool = False) -> Path:
    return user_folder("prompts", create=create) / "saved.json"


def saved() -> list[str]:
    """The saved prompts, the newest first."""
    global _saved
    if _saved is None:
        try:
            found = json.loads(_path().read_text(encoding="utf-8"))
            _saved = [text for text in found if isinstance(text, str)]
        except (OSError, ValueError, TypeError, GenAIError):
            _saved = []
    return _saved


def save(prompt: str) -> None:
    """Keep a prompt. Raises StorageError."""
    _write([prompt, *(text for text in saved() if text != prompt)][:MOST_SAVED])


def forget(prompt: str) -> None:
    """Raises StorageError."""
    _write([text for text in saved() if text != prompt])


def _write(prompts: list[str]) -> None:
    global _saved
    data = json.dumps(prompts, ensure_ascii=False, indent=1).encode()
    storage.replace_file(_path(create=True), data)
    _saved = prompts


def recent() -> list[str]:
    """The prompts of the last images, the newest first, each once."""
    try:
        items = session.session().store.search(limit=60)
    except GenAIError:
        return []
    return list(dict.fromkeys(item.prompt for item in items))[:MOST_RECENT]
