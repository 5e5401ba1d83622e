# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts that the user keeps, in the extension's own folder; recent ones come from History."""

from __future__ import annotations

import json
from pathlib import Path

from ...core.errors import GenAIError
from ...core.files import storage
from ..addon import state, user_folder
from . import session

MOST_SAVED = 200
MOST_RECENT = 15


class SavedPrompts:
    """What was read from the file; None before it was."""

    def __init__(self) -> None:
        self.known: list[str] | None = None

    def close(self) -> None:
        pass


def _path(create: bool = False) -> Path:
    return user_folder("prompts", create=create) / "saved.json"


def saved() -> list[str]:
    """The saved prompts, the newest first."""
    prompts = state(SavedPrompts)
    if prompts.known is None:
        try:
            entries = json.loads(_path().read_text(encoding="utf-8"))
            prompts.known = [text for text in entries if isinstance(text, str)]
        except (OSError, ValueError, TypeError, GenAIError):
            prompts.known = []
    return prompts.known


def save(prompt: str) -> None:
    """Keep a prompt. Raises StorageError."""
    _write([prompt, *(text for text in saved() if text != prompt)][:MOST_SAVED])


def forget(prompt: str) -> None:
    """Raises StorageError."""
    _write([text for text in saved() if text != prompt])


def _write(prompts: list[str]) -> None:
    data = json.dumps(prompts, ensure_ascii=False, indent=1).encode()
    storage.replace_file(_path(create=True), data)
    state(SavedPrompts).known = prompts


def recent() -> list[str]:
    """The prompts of the last images, the newest first, each once."""
    try:
        items = session.session().store.search(limit=60)
    except GenAIError:
        return []
    return list(dict.fromkeys(item.prompt for item in items))[:MOST_RECENT]
