# SPDX-License-Identifier: GPL-3.0-or-later
"""`carry`: a picture of History from another camera of the scene, or from all around."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import bpy

from ...console import Console
from ...core import next_camera
from ...core.errors import InvalidInput, SceneError
from ...core.image import images
from ...core.preflight import Prepared, prepare
from ..capture import CaptureSpec, capture, scene_bounds
from ..history_place import open_history
from . import making, shots
from .history import existing_item, folder_of
from .interrupt import shielded

if TYPE_CHECKING:
    from ...core.history.store import HistoryStore
    from ...core.next_camera import Accepted
    from ...core.view.canvas import Canvas, View
    from ...core.view.placement import Placement


@dataclass(frozen=True, slots=True)
class Target:
    """A camera of the scene by its name, a view of a turntable, or a camera that is placed."""

    name: str
    camera: str | None = None
    view: View | None = None
    placed: Placement | None = None


def carry(parsed: argparse.Namespace, console: Console) -> int:
    item = existing_item(folder_of(parsed), parsed.item)
    with open_history(folder_of(parsed)) as store:
        accepted = next_camera.load(store, item.id)
        parsed.model = parsed.model or accepted.request.model
        targets = _targets(parsed, accepted)
        return into(store, accepted, targets, parsed, console)[0]


def into(
    store: HistoryStore,
    accepted: Accepted,
    targets: list[Target],
    parsed: argparse.Namespace,
    console: Console,
) -> tuple[int, list[str]]:
    """Carry a picture into those views: the exit code, and what is in History of it."""
    catalog, model = making.model_of(parsed, console)
    prepared = prepare(
        model, lambda: next_camera.planned(accepted, model), seen=making.seen(parsed, model)
    )
    run = making.Making(parsed, console, catalog, prepared, len(targets))
    names = [target.name for target in targets]
    if parsed.dry_run:
        return run.say_plan(names), []
    shots_to_come = _carried(run, store, accepted, targets, parsed, console)
    code = run.run(shots_to_come, names, one_by_one=True)
    return code, run.saved


def _targets(parsed: argparse.Namespace, accepted: Accepted) -> list[Target]:
    view = accepted.canvas.view
    if parsed.turntable is not None:
        center = scene_bounds.center(bpy.context, _around(parsed.around))
        views = next_camera.around(view, center, parsed.turntable)
        return [
            Target(f"turntable-{number:02d}", view=each) for number, each in enumerate(views, 2)
        ]
    if parsed.around is not None:
        raise InvalidInput("--around belongs to --turntable.", action="Leave it out.")
    cameras = [camera.name for camera in shots.cameras(parsed.camera)]
    if parsed.camera == "all":
        # The camera that the picture is from would only give the picture again.
        cameras = [name for name in cameras if name != view.camera] or cameras
    return [Target(name, camera=name) for name in cameras]


def _around(name: str | None) -> list[bpy.types.Object]:
    if name is None:
        return []
    thing = bpy.context.scene.objects.get(name)
    if thing is None:
        raise SceneError(f'The scene has no object called "{name}".', action="Check its name.")
    return [thing]


def _carried(
    run: making.Making,
    store: HistoryStore,
    accepted: Accepted,
    targets: list[Target],
    parsed: argparse.Namespace,
    console: Console,
) -> Iterator[Prepared | SceneError]:
    """The request for each view, with what the pictures before it show."""
    model = run.prepared.model
    assert model is not None
    done: list[tuple[str, Canvas]] = []
    for number, target in enumerate(targets, start=1):
        console.progress(None, f"Capturing {target.name} ({number} of {len(targets)})")
        try:
            canvas = _capture(target, accepted, parsed)
        except SceneError as error:
            if len(targets) == 1:
                raise
            yield SceneError(f"{target.name}: {error.what}", error.why, error.action)
            continue
        console.progress(None, f"Carrying the picture into {target.name}")
        others = [(images.decode(store.image(id))[..., :3], seen) for id, seen in reversed(done)]
        request = next_camera.request_for(accepted, model, canvas, others)
        before = len(run.saved)
        yield replace(run.prepared, request=request.with_(width=canvas.width, height=canvas.height))
        done += [(id, canvas) for id in run.saved[before:]]
        del done[1:-1]  # the first, and the one just before, show the most of the next


def _capture(target: Target, accepted: Accepted, parsed: argparse.Namespace) -> Canvas:
    size = images.probe(accepted.image)
    with shielded():
        return capture(
            bpy.context,
            CaptureSpec(
                size.width,
                size.height,
                camera=target.name if target.placed is not None else target.camera,
                view=target.view,
                placed=target.placed,
                mode=accepted.request.mode,
                source="viewport" if parsed.viewport else "auto",
            ),
        )
