# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture on Linux's clipboard, which Blender gives out under Wayland only.

Asked for through the system's own tools. A program that is asked has to answer for itself, Blender
too: never call this from its main thread.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import ImageError
from . import images

_SECONDS = 8.0
_TYPES = ("image/png", "image/jpeg", "image/webp")
_FILES = ("text/uri-list", "x-special/gnome-copied-files")


def picture() -> tuple[bytes, str]:
    """The file of the picture, or of the picture file, that was copied last, and a name for it.

    Raises ImageError where there is none or nothing here to ask with, StorageError for a file that
    cannot be read.
    """
    ask = _tool()
    types = ask(None).decode("utf-8", "replace").split()
    for kind in _TYPES:
        if kind in types:
            return ask(kind), f"Clipboard{images.SUFFIXES[kind]}"
    for kind in _FILES:
        if kind in types and (path := _first_file(ask(kind).decode("utf-8", "replace"))):
            return images.read_file(path), path.name
    if any(kind.startswith("image/") for kind in types):
        raise ImageError(
            "The picture on the clipboard is of a kind that cannot be used.",
            action="Copy it from a program that gives PNG, JPEG or WebP.",
        )
    raise nothing_there()


def nothing_there() -> ImageError:
    return ImageError("There is no picture on the clipboard.", action="Copy one.")


class _Tool:
    """A program that prints the clipboard. types, of_type: what it is called with for either."""

    def __init__(self, types: Sequence[str], of_type: Sequence[str]) -> None:
        self._types, self._of_type = types, of_type

    def __call__(self, kind: str | None) -> bytes:
        """What the clipboard has of a kind, or the names of the kinds; empty for an empty one."""
        words = [*self._types] if kind is None else [*self._of_type, kind]
        try:
            done = subprocess.run(words, capture_output=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise ImageError(
                "The program that the picture was copied in does not answer.",
                action="Copy it once more, or save it and add the file.",
            ) from error
        except OSError as error:
            raise _no_tool() from error
        return done.stdout if done.returncode == 0 else b""


def _tool() -> _Tool:
    if os.environ.get("WAYLAND_DISPLAY") and (paste := shutil.which("wl-paste")):
        return _Tool((paste, "--list-types"), (paste, "--no-newline", "--type"))
    if os.environ.get("DISPLAY") and (clip := shutil.which("xclip")):
        out = (clip, "-selection", "clipboard", "-out", "-target")
        return _Tool((*out, "TARGETS"), out)
    raise _no_tool()


def _no_tool() -> ImageError:
    name = "wl-clipboard" if os.environ.get("WAYLAND_DISPLAY") else "xclip"
    return ImageError(
        "Blender cannot take a picture from this system's clipboard by itself.",
        f"It can with the program {name}, which is not installed.",
        f"Install {name}, or save the picture and add or drop the file.",
    )


def _first_file(lines: str) -> Path | None:
    """The first picture file of a list of addresses, as file managers copy them; PCManFM ends it
    with a zero."""
    for line in lines.replace("\0", "\n").split():
        parts = urlsplit(line)
        path = Path(unquote(parts.path))
        if parts.scheme == "file" and path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
            return path
    return None
