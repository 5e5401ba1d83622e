# SPDX-License-Identifier: GPL-3.0-or-later
"""The image *GenAI Result*: one data-block that shows the newest picture, wherever it is used.

The picture is packed into the .blend, as the bytes that the provider sent: a file that is opened
on another computer or on a render farm shows the same one, no path of this computer gets into it,
and deleting the picture from History takes nothing away from a material.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import bpy

from ...core import jobs
from ...core.errors import GenAIError
from ...core.image import images
from .. import addon, background
from . import listeners, session

if TYPE_CHECKING:
    from ...core.history.store import HistoryStore
    from ...core.jobs import JobEvent
    from .work import Work

NAME = "GenAI Result"
_MARK = "genai_render_item"
"""On the image: which item of History it shows. It is found by this, so it may be renamed."""
_WAIT_SECONDS = 0.5


class _Picture(NamedTuple):
    item_id: str
    data: bytes


class ResultImage:
    """What the image shows in the file that is open."""

    def __init__(self) -> None:
        self._file = 0
        self._asked_in: dict[int, int] = {}
        self._newest: _Picture | None = None
        self._timer = self._when_rendered  # one object: Blender knows a timer by its address

    def hear(self, work: Work, event: JobEvent) -> None:
        if isinstance(event, jobs.Started):
            self._asked_in[work.job.id] = self._file
        elif isinstance(event, jobs.Saved) and self._asked_in.get(work.job.id) == self._file:
            file, store = self._file, session.session().store
            background.run(
                lambda: _read(store, event.id),
                lambda picture: file == self._file and self._take(picture),
                lane="result image",
            )
        elif isinstance(event, jobs.Finished):
            self._asked_in.pop(work.job.id, None)

    def show(self, item_id: str) -> None:
        """Have it show an item of History. Raises a GenAIError if that has no picture."""
        picture = _read(session.session().store, item_id)
        if isinstance(picture, GenAIError):
            raise picture
        self._take(picture)

    def another_file(self) -> None:
        """A picture that was asked for in one file is not put into another."""
        self._file += 1
        self._newest = None

    def put_back(self) -> None:
        """Undo brings back an earlier picture, or takes the image away."""
        if self._newest is not None and image_id() != self._newest.item_id:
            _put(self._newest)

    def close(self) -> None:
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)

    def _take(self, picture: _Picture | GenAIError) -> None:
        if isinstance(picture, GenAIError):
            return  # it was deleted meanwhile: the image stays as it is
        self._newest = picture
        if not bpy.app.is_job_running("RENDER"):
            _put(picture)
        elif not bpy.app.timers.is_registered(self._timer):
            # A render may be reading it.
            bpy.app.timers.register(self._timer, first_interval=_WAIT_SECONDS, persistent=True)

    def _when_rendered(self) -> float | None:
        if bpy.app.is_job_running("RENDER"):
            return _WAIT_SECONDS
        self.put_back()
        return None


def _read(store: HistoryStore, item_id: str) -> _Picture | GenAIError:
    """Also in the background."""
    try:
        path = store.get(item_id).image_path
        if path is None:
            return GenAIError(f'"{item_id}" has no picture.')
        return _Picture(item_id, images.read_file(path))
    except GenAIError as error:
        return error


def find() -> Any | None:
    """The image of this file, if it has one."""
    return next((one for one in bpy.data.images if one.library is None and _MARK in one), None)


def image_id() -> str:
    """Which item it shows; "" without an image."""
    image = find()
    return "" if image is None else str(image[_MARK])


def _put(picture: _Picture) -> None:
    image = find()
    if image is None:
        image = bpy.data.images.new(NAME, 8, 8)
        image.use_fake_user = True  # it is saved, also while nothing uses it
    # Only a change of the source makes Blender forget the pixels, and with them the size.
    image.source = "GENERATED"
    image.pack(data=picture.data, data_len=len(picture.data))  # pyright: ignore
    image.source = "FILE"
    image[_MARK] = picture.item_id
    image.update_tag()
    for area in _areas("IMAGE_EDITOR", "NODE_EDITOR", "VIEW_3D"):
        area.tag_redraw()


def _areas(*kinds: str) -> Iterator[bpy.types.Area]:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in kinds:
                yield area


def result_image() -> ResultImage:
    return addon.state(ResultImage)


def _heard(work: Work, event: JobEvent) -> None:
    result_image().hear(work, event)


@bpy.app.handlers.persistent
def _undone(*_: object) -> None:
    result_image().put_back()


@bpy.app.handlers.persistent
def _loaded(*_: object) -> None:
    result_image().another_file()


def _handlers() -> tuple[tuple[list, Any], ...]:
    known = bpy.app.handlers
    return (known.undo_post, _undone), (known.redo_post, _undone), (known.load_post, _loaded)


def register() -> None:
    for handlers, function in _handlers():
        handlers.append(function)
    if not bpy.app.background:  # there, a render would be under way
        listeners.listen(_heard)


def unregister() -> None:
    for handlers, function in _handlers():
        if function in handlers:
            handlers.remove(function)
