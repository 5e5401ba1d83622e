# SPDX-License-Identifier: GPL-3.0-or-later
"""`render --frames A-B --keyframes N`: every Nth frame is made, those between are carried.

Each frame between two key frames is carried from both by depth, by the camera's way and by that of
each object. What neither shows is filled in by the offline engine in their colors, so a model that
costs money is asked for the key frames alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import bpy

from ...console import Console
from ...core import next_camera
from ...core.errors import InvalidInput, SceneError
from ...core.image import images
from ...core.masks.inside_mask import OFFLINE
from ...core.preflight import Prepared, prepare
from ...core.view import in_between
from ...core.view.in_between import KeyFrame, Moved
from .. import catalog as catalogs
from ..capture.camera import rows, unit_metres
from ..history_place import open_history
from . import making, movie, shots
from .history import folder_of

if TYPE_CHECKING:
    from ...core.history.store import HistoryStore
    from ...core.models.catalog import Model
    from ...core.view.canvas import Canvas, Matrix4

_Places = dict[str, tuple["Matrix4", tuple[float, float, float], tuple[float, float, float]]]


def render(parsed: argparse.Namespace, console: Console) -> int:
    if parsed.keyframes is None:
        return making.render(parsed, console)
    _check(parsed)
    every = parsed.keyframes
    run, planned, _ = making.planned_render(parsed, console, lambda n: len(_keys(n, every)))
    assert planned is not None, "there is a view"
    if len({shot.camera for shot in planned}) > 1:
        raise InvalidInput("Key frames are of one camera.", action="Name it with --camera.")
    planned.sort(key=lambda shot: shot.frame)
    order = _order(len(planned), every)
    names = [planned[index].name(True) for index in order]
    if parsed.dry_run:
        return run.say_plan([planned[index].name(True) for index in _keys(len(planned), every)])
    with shots.kept_frame(), open_history(folder_of(parsed)) as store:
        made: dict[int, str] = {}
        coming = run.kept(_frames(run, planned, order, every, store, made, console))
        code = run.run(coming, names, True)
        if run.saved and run.saved[-1] not in made.values():
            made[order[-1]] = run.saved[-1]  # nobody asked for a frame after the last one
        ids = [made[index] for index in sorted(made)]
        _tell(ids, store, console)
        if parsed.output is not None and len(ids) > 1:
            paths = [store.get(id).image_path for id in ids]
            path = movie.write(
                [one for one in paths if one is not None],
                parsed.output / f"{planned[0].camera or 'Viewport'}.mp4",
            )
            console.event("movie", path=str(path), frames=len(ids))
            console.line(str(path))
    return code


def _check(parsed: argparse.Namespace) -> None:
    if parsed.frames is None:
        raise InvalidInput("--keyframes needs --frames.", action='Add --frames, such as "1-48".')
    if parsed.keyframes < 2:
        raise InvalidInput(
            f"--keyframes {parsed.keyframes} leaves no frame between.", action="Give 2 or more."
        )
    if parsed.no_canvas:
        raise InvalidInput("Without a view there is nothing to carry.", action="Drop --no-canvas.")
    if parsed.count != 1:
        raise InvalidInput("An animation has one picture a frame.", action="Leave --count out.")


def _keys(count: int, every: int) -> list[int]:
    """Which frames are made: every Nth, and the last."""
    keys = list(range(0, count, every))
    return keys if keys[-1] == count - 1 else [*keys, count - 1]


def _order(count: int, every: int) -> list[int]:
    """Each two key frames before the frames between them."""
    keys = _keys(count, every)
    order = keys[:1]
    for before, after in pairwise(keys):
        order += [after, *range(before + 1, after)]
    return order


def _frames(
    run: making.Making,
    planned: list[shots.Shot],
    order: list[int],
    every: int,
    store: HistoryStore,
    made: dict[int, str],
    console: Console,
) -> Iterator[Prepared | SceneError]:
    """The request of each frame, in order. made: the item of each, by its place."""
    request, size = run.prepared.request, run.prepared.canvas_size
    assert request is not None
    assert size is not None
    model = run.prepared.model
    filling = (
        model if model is not None and model.id == OFFLINE else catalogs.load([]).model(OFFLINE)
    )
    keys = set(_keys(len(planned), every))
    known: dict[int, tuple[KeyFrame, _Places, str]] = {}
    for number, index in enumerate(order, start=1):
        shot = planned[index]
        console.progress(None, f"Capturing {shot.text} ({number} of {len(order)})")
        try:
            canvas = shots.take(shot, size, request.mode)
        except SceneError as error:
            yield shot.failed(error)
            continue
        places = _places()
        before, after = _around(known, shot.frame)
        saved = len(run.saved)
        if index in keys or before is None or after is None:
            yield replace(run.prepared, request=request.with_(canvas=canvas))
            if len(run.saved) > saved:
                pixels = images.decode(store.image(run.saved[-1]))[..., :3]
                key = KeyFrame(shot.frame, pixels, canvas)
                known[shot.frame] = key, places, run.saved[-1]
                for old in sorted(known)[:-2]:
                    del known[old]
        else:
            console.progress(None, f"Carrying into {shot.text}")
            yield _between(run, filling, before, after, canvas, places, shot.frame)
        if len(run.saved) > saved:
            made[index] = run.saved[-1]


def _between(
    run: making.Making,
    filling: Model,
    before: tuple[KeyFrame, _Places, str],
    after: tuple[KeyFrame, _Places, str],
    canvas: Canvas,
    places: _Places,
    frame: int,
) -> Prepared:
    pair = [replace(key, moved=_moved(places, then)) for key, then, _ in (before, after)]
    over = in_between.between(pair[0], pair[1], canvas, frame)
    request = run.prepared.request
    assert request is not None
    near = before if frame - before[0].frame <= after[0].frame - frame else after
    accepted = next_camera.Accepted(
        near[2], images.encode_png(near[0].picture), near[0].canvas, request, request.seed
    )
    made = next_camera.request_with(accepted, filling, canvas, over)
    return prepare(filling, lambda: made)


def _around(
    known: dict[int, tuple[KeyFrame, _Places, str]], frame: int
) -> tuple[tuple[KeyFrame, _Places, str] | None, tuple[KeyFrame, _Places, str] | None]:
    before = max((one for one in known if one < frame), default=None)
    after = min((one for one in known if one > frame), default=None)
    return (
        None if before is None else known[before],
        None if after is None else known[after],
    )


def _places() -> _Places:
    """Where each object is at this frame, in metres."""
    metres = unit_metres(bpy.context.scene)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    found: _Places = {}
    for thing in bpy.context.view_layer.objects:
        if thing.type in ("CAMERA", "LIGHT", "EMPTY", "ARMATURE", "LIGHT_PROBE", "SPEAKER"):
            continue
        seen = thing.evaluated_get(depsgraph)
        matrix = seen.matrix_world.copy()
        for row in range(3):
            matrix[row] *= metres
        corners = [tuple(corner) for corner in seen.bound_box]
        low, high = (
            tuple(how(corner[axis] for corner in corners) for axis in range(3))
            for how in (min, max)
        )
        found[thing.name] = rows(matrix), low, high  # pyright: ignore[reportArgumentType]
    return found


def _moved(now: _Places, then: _Places) -> tuple[Moved, ...]:
    found = []
    for name, (matrix, low, high) in now.items():
        was = then.get(name)
        if was is not None and any(
            abs(a - b) > 1e-5
            for one, other in zip(matrix, was[0], strict=True)
            for a, b in zip(one, other, strict=True)
        ):
            found.append(Moved(matrix, was[0], low, high))
    return tuple(found)


def _tell(ids: list[str], store: HistoryStore, console: Console) -> None:
    """How steady it is: what the same points change by from frame to frame."""
    each: list[float | None] = []
    last = None
    for id in ids:
        canvas = store.canvas(id)
        pixels = images.decode(store.image(id))[..., :3]
        if last is not None and canvas is not None and last[1] is not None:
            each.append(in_between.unsteadiness(last[0], last[1], pixels, canvas))
        last = pixels, canvas
    mean = in_between.mean_unsteadiness(each)
    if mean is None:
        return
    console.event(
        "steadiness",
        unsteadiness=round(mean, 4),
        each=[None if value is None else round(value, 4) for value in each],
        frames=ids,
    )
    console.line(f"From frame to frame, the same points change by {mean:.2f} of 255.")
