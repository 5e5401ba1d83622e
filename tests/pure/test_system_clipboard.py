# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture from the clipboard by a program of the system: whatever that answers."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from genai_render.core.errors import ImageError, StorageError
from genai_render.core.image import system_clipboard

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Linux's clipboard")

# Prints what lies in a folder under the name of the kind that it is asked for.
_PROGRAM = """#!/bin/sh
for kind; do :; done
[ "$kind" = --list-types ] && kind=TARGETS
[ -e "$CLIPBOARD/slow" ] && sleep 5
cat "$CLIPBOARD/$(echo "$kind" | tr / _)" 2>/dev/null
"""


@pytest.fixture(params=["xclip", "wl-paste"])
def clipboard(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Gives a function that copies: kinds and what they are."""
    program = tmp_path / "bin" / request.param
    program.parent.mkdir()
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("CLIPBOARD", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":9")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if request.param == "wl-paste":
        monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")

    def copy(**kinds: bytes) -> None:
        names = [name.replace("_", "/", 1).replace("_", "-") for name in kinds]
        (tmp_path / "TARGETS").write_text("\n".join(["TARGETS", *names]))
        for name, (_, data) in zip(names, kinds.items(), strict=True):
            (tmp_path / name.replace("/", "_")).write_bytes(data)

    copy.folder = tmp_path  # pyright: ignore[reportFunctionMemberAccess]
    return copy


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (1, 2, 3)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_comes_as_it_was_copied(clipboard):
    clipboard(image_jpeg=b"no", image_png=png(), text_html=b"<img>")
    assert system_clipboard.picture() == (png(), "Clipboard.png")


def test_a_copied_file_is_read(clipboard, tmp_path):
    path = tmp_path / "photo ä %20.png"
    path.write_bytes(png())
    # GNOME's Files, then PCManFM, which ends the list with a zero.
    for end in ("\r\n", "\0"):
        lines = f"{(tmp_path / 'notes.txt').as_uri()}\r\n{path.as_uri()}{end}".encode()
        clipboard(text_uri_list=lines)
        assert system_clipboard.picture() == (png(), path.name)
    path.unlink()
    with pytest.raises(StorageError, match="photo"):
        system_clipboard.picture()


def test_what_is_no_picture_is_said(clipboard, monkeypatch):
    clipboard(text_plain=b"words")
    with pytest.raises(ImageError, match="no picture on the clipboard"):
        system_clipboard.picture()
    clipboard(image_tiff=b"II")
    with pytest.raises(ImageError, match="PNG, JPEG or WebP"):
        system_clipboard.picture()
    clipboard(image_png=png())
    (clipboard.folder / "slow").touch()
    monkeypatch.setattr(system_clipboard, "_SECONDS", 0.2)
    with pytest.raises(ImageError, match="does not answer"):
        system_clipboard.picture()


def test_without_a_program_it_is_named(clipboard, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match=r"Install (xclip|wl-clipboard)"):
        system_clipboard.picture()
