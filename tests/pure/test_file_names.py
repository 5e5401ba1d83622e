# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that every system takes, and of which no two programs get the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_render.core.errors import StorageError
from genai_render.core.files import storage
from genai_render.core.files.file_names import MAX_BYTES, file_name, numbered

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Camera", "Camera.png"),
        ("CON", "_CON.png"),
        ("aux", "_aux.png"),
        ("Com1", "_Com1.png"),
        ("LPT9.shot", "_LPT9.shot.png"),
        ("nul .x", "_nul .x.png"),
        ("COM\u00b9", "_COM\u00b9.png"),
        ("CONSOLE", "CONSOLE.png"),
        ("com10", "com10.png"),
        ("shot...", "shot.png"),
        (" . ", "image.png"),
        ("", "image.png"),
        ('a/b\\c:d*e?f"g<h>i|j', "a_b_c_d_e_f_g_h_i_j.png"),
        ("a\0b\nc", "a_b_c.png"),
        ("half \udc80", "half _.png"),
        ("猫" * 200, "猫" * 83 + ".png"),
    ],
)
def test_names_are_valid_everywhere(words: str, expected: str):
    assert file_name(words, ".png") == expected


@given(st.text(max_size=400), st.sampled_from(["", ".png", ".jpg"]))
def test_any_words_make_a_name_that_can_be_written(words: str, suffix: str):
    for name, _ in zip(numbered(words, suffix), range(3), strict=False):
        assert 0 < len(name.encode()) <= MAX_BYTES
        assert not set(name) & set('\\/:*?"<>|\0')
        assert name.endswith(suffix)
        assert name == name.strip()
        assert not name.removesuffix(suffix).endswith((".", " "))


def test_the_longest_name_can_be_written(tmp_path: Path):
    path = tmp_path / file_name("é" * 300, ".png")
    storage.write_new_file(path, b"x")
    storage.replace_file(path, b"y")
    assert path.read_bytes() == b"y"
    assert len(list(tmp_path.iterdir())) == 1


WRITER = """
import sys
from pathlib import Path
from genai_render.core.files import storage
from genai_render.core.files.file_names import numbered
folder = Path(sys.argv[1])
sys.stdin.readline()
for n in range(30):
    for name in numbered("Camera", ".png"):
        try:
            storage.write_new_file(folder / name, f"{sys.argv[2]} {n}".encode())
        except FileExistsError:
            continue
        break
"""


def test_several_programs_never_write_over_each_other(tmp_path: Path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate() and process.returncode for process in processes] == [0] * 4
    kept = sorted(path.read_text() for path in tmp_path.iterdir())
    assert kept == sorted(f"{number} {n}" for number in range(4) for n in range(30))


def test_a_file_that_is_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    for links in (True, False):
        if not links:  # a disk that knows none

            def none(*_: object) -> None:
                raise PermissionError(1, "Operation not permitted")

            monkeypatch.setattr(storage.os, "link", none)
            storage.write_new_file(tmp_path / "b.png", b"new")
            assert (tmp_path / "b.png").read_bytes() == b"new"
        with pytest.raises(FileExistsError):
            storage.write_new_file(path, b"theirs")
        assert path.read_bytes() == b"mine"
    assert {p.name for p in tmp_path.iterdir()} == {"a.png", "b.png"}
    with pytest.raises(StorageError):
        storage.write_new_file(tmp_path / "nowhere" / "c.png", b"x")
