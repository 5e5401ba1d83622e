# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch file that is chosen in the panel would make: counted and priced between redraws.

The panel asks at every redraw and gets what is known; a timer does the work, a little at a time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ...core import log
from ...core.batch import plan, ranges
from ...core.batch.run import sums
from ...core.errors import GenAIError, InvalidInput, StorageError
from .. import addon, catalog, redraw
from ..batches import items as batch_items
from ..capture.camera import camera_aspect
from ..settings import scene_settings

if TYPE_CHECKING:
    from ...core.batch.run import Picture, Sums

_TICK_SECONDS = 0.02  # of work between two redraws
_PAUSE_SECONDS = 0.01
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class FilePlan:
    """counting: it is not known yet. pictures: all of them, once it is."""

    path: Path
    counting: bool = True
    pictures: tuple[Picture, ...] = ()
    sums: Sums | None = None
    problem: GenAIError | None = None


def chosen(context: bpy.types.Context) -> Path | None:
    """The file that is chosen; None where it is a pack."""
    text = scene_settings.settings(context).batch_file.strip()
    return Path(bpy.path.abspath(text)) if text else None


class FilePlans:
    """The plan that was made last."""

    def __init__(self) -> None:
        self._plan: FilePlan | None = None
        self._of: tuple[Any, ...] = ()
        self._work: Iterator[FilePlan] | None = None
        self._looked: tuple[float, Path | None, tuple[int, int] | None] = (0.0, None, None)
        self._timer = self._tick

    def plan(self, context: bpy.types.Context) -> FilePlan | None:
        """Of the chosen file, as far as it is known; None where none is chosen."""
        path = chosen(context)
        if path is None:
            self._plan, self._of, self._work = None, (), None
            return None
        scene = context.scene
        assert scene is not None
        is_set = (
            *(path, self._state_of(path), id(catalog.catalog()), scene.name, camera_aspect(scene)),
            scene.camera and scene.camera.name,
            tuple(thing.name for thing in scene.objects if thing.type == "CAMERA"),
        )
        if self._plan is None or is_set != self._of:
            self._of, self._plan = is_set, FilePlan(path)
            self._work = _planned(path, scene.name)
            if not bpy.app.timers.is_registered(self._timer):
                bpy.app.timers.register(self._timer, first_interval=_PAUSE_SECONDS)
        return self._plan

    def _state_of(self, path: Path) -> tuple[int, int] | None:
        """Looked at now and then; None for a file that is not there."""
        looked, of, known = self._looked
        if of == path and time.monotonic() - looked < _LOOK_SECONDS:
            return known
        try:
            found = path.stat()
            state = found.st_mtime_ns, found.st_size
        except OSError:
            state = None
        self._looked = time.monotonic(), path, state
        return state

    def _tick(self) -> float | None:
        if self._work is None:
            return None
        ends = time.monotonic() + _TICK_SECONDS
        while time.monotonic() < ends:
            done = next(self._work, None)
            if done is not None and not done.counting:
                self._plan, self._work = done, None
                redraw.sidebars()
                return None
        return _PAUSE_SECONDS

    def close(self) -> None:
        self._work = None
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)


def file_plans() -> FilePlans:
    return addon.state(FilePlans)


def _planned(path: Path, scene: str) -> Iterator[FilePlan]:
    """Unfinished ones first, a few pictures each; the last is the whole."""
    try:
        yield from _counted(path, scene)
    except GenAIError as error:
        yield FilePlan(path, False, problem=error.with_traceback(None))
    except Exception as failure:
        yield FilePlan(path, False, problem=log.internal_error(failure))


def _counted(path: Path, scene: str) -> Iterator[FilePlan]:
    if not path.is_file():
        raise StorageError(f'There is no file "{path.name}".', action="Choose another one.")
    yield FilePlan(path)
    with batch_items.in_scene(scene):
        items = plan.expand(plan.read(path), batch_items.cameras, ranges.numbers)
    for item in items:
        if item.scene not in ("", scene):
            raise InvalidInput(
                f'The batch has pictures of the scene "{item.scene}".',
                "From the panel they are of the scene that is shown.",
                "Make it with the command line.",
            )
    known = catalog.catalog()
    made: list[Picture] = []
    for item in items:
        yield FilePlan(path)
        with batch_items.in_scene(scene):
            made += batch_items.pictures(known, [("", item)])
    yield FilePlan(path, False, tuple(made), sums(made))
