# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender window for the tests of a file, with the extension in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .blender_window import BlenderWindow

PROJECT = Path(__file__).resolve().parent.parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--linked",
        action="store_true",
        help="tests/window: use the working tree instead of building and installing the extension",
    )
    parser.addoption(
        "--shots", metavar="DIR", help="tests/window: keep the screenshots here", default=None
    )


@pytest.fixture(scope="session")
def shots(request: pytest.FixtureRequest, blender_version: tuple[int, ...]) -> Path:
    folder = request.config.getoption("--shots") or os.environ.get("GENAI_RENDER_SHOTS")
    base = Path(folder) if folder else PROJECT / "build" / "screenshots"
    return base / f"{blender_version[0]}.{blender_version[1]}"


@pytest.fixture(scope="module")
def window(
    request: pytest.FixtureRequest,
    blender: str,
    shots: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[BlenderWindow]:
    """One for all tests of a file: starting Blender takes longer than a test."""
    zip = None
    if not request.config.getoption("--linked"):
        zip = request.getfixturevalue("extension_zip")
    opened = BlenderWindow(blender, tmp_path_factory.mktemp("window"), shots, zip)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def scene(window: BlenderWindow) -> Iterator[BlenderWindow]:
    """A new file with a monkey on a floor, our tab open, nothing set, nothing under way."""
    window.run(_STOPPED)
    window.new_file()
    window.run(_NEW_SCENE)
    window.open_tab()
    before = len(window.python_errors())
    yield window
    errors = window.python_errors()[before:]
    assert not errors, "\n\n".join(errors)


_STOPPED = """
from importlib import import_module
MODULE = "bl_ext.user_default.genai_render.blender"
def ours(name):
    return import_module(f"{MODULE}.{name}")
def statuses():
    # How servers of the user's own are, by endpoint.
    return ours("addon").state(ours("connections.server_status").ServerStatuses).known
def problem():
    # Why Generate cannot be pressed; empty if it can.
    found = ours("jobs.request_builder").prepared(bpy.context).problem
    return "" if found is None else found.text
current = ours("jobs.session").opened()
if current is not None:
    current.cancel_all()
    current.told.clear()
ours("viewport.overlay").hide()
"""
_NEW_SCENE = """
for thing in list(bpy.data.objects):
    if thing.type == "MESH":
        bpy.data.objects.remove(thing)
with override():
    bpy.ops.mesh.primitive_plane_add(size=8, location=(0, 0, -1))
    bpy.ops.mesh.primitive_monkey_add(size=2)
    bpy.ops.object.shade_smooth()
view = area().spaces.active
view.show_region_ui = True
view.region_3d.view_distance = 8
state = bpy.context.window_manager.genai_render
state.wipe = state.opacity = 1
state.selected = state.search = ""
state.show_bin = state.only_favourites = False
settings = bpy.context.scene.genai_render
history_view = ours("jobs.history_page")
history_view.invalidate()
"""
