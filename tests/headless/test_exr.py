# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenEXR files that we write open in Blender with every value as it was."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_render.blender.capture.exr import read_passes, write_exr
from genai_render.core.errors import ImageError, InvalidInput, StorageError


def opened(path):
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(height, width, 4)[::-1]


@settings(max_examples=15, deadline=None)
@given(width=st.integers(1, 70), height=st.integers(1, 50), seed=st.integers(0, 99))
def test_blender_reads_what_we_write(tmp_path_factory, width, height, seed):
    folder = tmp_path_factory.mktemp("exr")
    chance = np.random.default_rng(seed)
    depth = chance.normal(5, 40, (height, width)).astype(np.float32)
    normal = chance.normal(0, 1, (height, width, 3)).astype(np.float32)
    write_exr(folder / "depth.exr", depth)
    write_exr(folder / "normal.exr", normal)
    assert np.array_equal(opened(folder / "depth.exr")[..., 0], depth)
    assert np.array_equal(opened(folder / "normal.exr")[..., :3], normal)


def test_no_surface_is_infinitely_far(tmp_path):
    depth = np.full((40, 30), 2.5, np.float32)
    depth[:7] = np.inf
    write_exr(tmp_path / "depth.exr", depth)
    assert np.array_equal(opened(tmp_path / "depth.exr")[..., 0], depth)


def test_smooth_pictures_are_packed(tmp_path):
    write_exr(tmp_path / "flat.exr", np.ones((256, 256), np.float32))
    assert (tmp_path / "flat.exr").stat().st_size < 10_000


def test_writing_makes_no_data_blocks(tmp_path):
    dirty = bpy.data.is_dirty
    write_exr(tmp_path / "a.exr", np.ones((8, 8, 3), np.float32))
    assert len(bpy.data.images) == 0
    assert bpy.data.is_dirty == dirty


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StorageError, match=r"depth\.exr"):
        write_exr(tmp_path / "missing" / "depth.exr", np.ones((8, 8), np.float32))


def test_a_form_that_is_no_picture(tmp_path):
    with pytest.raises(InvalidInput):
        write_exr(tmp_path / "a.exr", np.ones((8, 8, 2), np.float32))


@pytest.mark.parametrize("data", [b"", b"v/1\x01", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, b"\0" * 999])
def test_damaged_files_are_an_error_of_ours(tmp_path, data):
    (tmp_path / "bad.exr").write_bytes(data)
    with pytest.raises(ImageError):
        read_passes(tmp_path / "bad.exr")
