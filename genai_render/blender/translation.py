# SPDX-License-Identifier: GPL-3.0-or-later
"""The language of the interface: its table for Blender's own translation, and `translated`.

Blender translates whole labels and tooltips by the table that it is given. Texts with values in
them, and what it shows as it is, go through `translated` on their way. Only the table of the
language in use is read, when the add-on is enabled and when another language is chosen.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from typing import Literal

import bpy

from ..core import words
from . import addon, redraw

CONTEXT = "GenAI"
"""Of labels that Blender has too, with another meaning: "Key" is a keyframe there."""

Kind = Literal["interface", "tooltips", "reports"]
"""What the preferences turn on and off each by itself."""


class Language:
    """The language that Blender's interface has now.

    table: of it; empty for English and for what we have no table of. composed: what Blender shows
        as well, with values in it.
    """

    def __init__(self) -> None:
        self._locale = ""
        self._words: words.Words | None = None
        self.table: dict[str, str] = {}
        self.composed: set[str] = set()
        self.follow()
        bpy.msgbus.subscribe_rna(
            key=(bpy.types.PreferencesView, "language"),  # pyright: ignore[reportArgumentType]
            owner=self,
            args=(),
            notify=lambda: self.follow(),  # Blender takes functions only, no methods
            options={"PERSISTENT"},
        )

    def follow(self) -> None:
        """Take the table of Blender's language, if that is another one now."""
        locale = bpy.app.translations.locale
        if locale == self._locale:
            return
        english = locale.startswith("en")  # as most have it; no table is looked for
        language = "" if english else words.language_of(locale)
        self._locale, self._words = locale, None
        self.table = words.read(language) if language else {}
        self.give()
        if not bpy.app.background:
            # Whoever asks may be in the middle of drawing, with the labels before in the old one.
            redraw.sidebars()
            redraw.preferences()

    def give(self) -> None:
        """Give Blender the table."""
        with contextlib.suppress(ValueError):  # there is none yet
            bpy.app.translations.unregister(addon.PACKAGE)
        if self.table:
            known = self.table | {text: self._translated(text) for text in self.composed}
            contexts = ("*", bpy.app.translations.contexts.operator_default, CONTEXT)
            both = {(context, text): known[text] for context in contexts for text in known}
            bpy.app.translations.register(addon.PACKAGE, {self._locale: both})

    def of(self, text: str, kind: Kind) -> str:
        # Blender renders in a thread, where this may be read and nothing more.
        if threading.current_thread() is threading.main_thread():
            self.follow()
        if not self.table:
            return text
        if not getattr(bpy.context.preferences.view, f"use_translate_{kind}", True):
            return text
        return self._translated(text)

    def _translated(self, text: str) -> str:
        if self._words is None:
            self._words = words.Words(self.table)
        return self._words.of(text)

    def close(self) -> None:
        bpy.msgbus.clear_by_owner(self)
        with contextlib.suppress(ValueError):
            bpy.app.translations.unregister(addon.PACKAGE)


def translated(text: str, kind: Kind = "interface") -> str:
    """A label, or a message with values in it, in the language of the interface.

    What is drawn by `text=` as a literal needs this only where Blender does not translate.
    """
    language = addon.existing(Language)
    return text if language is None else language.of(text, kind)


def compose(texts: Iterable[str]) -> None:
    """Texts with values in them that Blender keeps, such as what a static enum's items mean."""
    language = addon.state(Language)
    language.composed.update(texts)
    language.give()


def language() -> str:
    """The locale whose table is used now, to tell what has to be translated again."""
    known = addon.existing(Language)
    return "" if known is None or not known.table else bpy.app.translations.locale


def register() -> None:
    addon.state(Language)


def unregister() -> None:
    addon.discard(Language)
