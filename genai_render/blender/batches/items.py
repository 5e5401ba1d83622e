# SPDX-License-Identifier: GPL-3.0-or-later
"""From the items of a batch to requests and canvases of this file's scenes."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ...core.batch.plan import BatchItem
from ...core.batch.progress import Progress
from ...core.batch.run import FOLDER, Picture, read_plan
from ...core.errors import GenAIError, InvalidInput, SceneError
from ...core.models.catalog import Catalog
from ...core.preflight import Prepared, prepare
from ...core.request import ROLES, Reference, RenderRequest
from ...core.view import placement
from ..capture import CaptureSpec, camera_aspect, placing

if TYPE_CHECKING:
    from ...core.history.store import HistoryStore


@contextlib.contextmanager
def in_scene(name: str) -> Iterator[None]:
    """Raises InvalidInput."""
    if not name:
        yield
        return
    scene = bpy.data.scenes.get(name)
    if scene is None:
        known = ", ".join(f'"{one.name}"' for one in bpy.data.scenes)
        raise InvalidInput(f'There is no scene called "{name}".', action=f"There are: {known}.")
    with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
        yield


def cameras(scene: str) -> list[str]:
    """All of a scene, by name. Raises SceneError without one."""
    with in_scene(scene):
        objects = bpy.context.scene.objects
        there = sorted(thing.name for thing in objects if thing.type == "CAMERA")
        if not there:
            raise SceneError(
                f'The scene "{bpy.context.scene.name}" has no camera.', action="Add one."
            )
        return there


def _check_camera(item: BatchItem) -> None:
    scene = bpy.context.scene
    if item.place:
        return
    if not item.camera:
        if scene.camera is None:
            raise SceneError(
                f'The scene "{scene.name}" has no camera.',
                action="Add one, or name one with --camera.",
            )
    elif item.camera not in cameras(""):
        names = ", ".join(f'"{name}"' for name in cameras(""))
        raise SceneError(
            f'The scene "{scene.name}" has no camera called "{item.camera}".',
            action=f"Its cameras: {names}.",
        )


def reference(text: str) -> Reference:
    """PATH[=ROLE[:WEIGHT]]. Raises InvalidInput, StorageError or ImageError."""
    match = re.fullmatch(rf"(?P<path>.+)=(?P<role>{'|'.join(ROLES)})(?::(?P<weight>[\d.]+))?", text)
    if match is None:
        return Reference.from_path(Path(text))
    try:
        weight = float(match["weight"] or 1)
    except ValueError:
        raise InvalidInput(f'"{match["weight"]}" is not a weight.', action="Use 0 to 1.") from None
    return Reference.from_path(Path(match["path"]), match["role"], weight)


def pictures(
    catalog: Catalog, items: Iterable[tuple[str, BatchItem]], view_aspect: float | None = None
) -> list[Picture]:
    """With their titles. Raises what stands against one, before anything is captured.

    view_aspect: of a viewport, which is what is seen where no camera is named; None without one.
    """
    return [_picture(catalog, title, item, view_aspect) for title, item in items]


def _picture(catalog: Catalog, title: str, item: BatchItem, view_aspect: float | None) -> Picture:
    try:
        prepared = _prepare(catalog, item, view_aspect)
    except GenAIError as error:
        what = f'The picture "{title or item.prompt[:60]}" cannot be made: {error.what}'
        raise type(error)(what, error.why, error.action) from error
    return Picture(item, prepared, _seen(item, prepared) if item.canvas else None, title)


def _prepare(catalog: Catalog, item: BatchItem, view_aspect: float | None) -> Prepared:
    model = catalog.model(item.model)
    options = {key: model.option(key).parse(str(v)) for key, v in item.options.items()}
    request = RenderRequest(
        prompt=item.prompt,
        model=model.id,
        style=catalog.style(item.style).id,
        aspect=item.aspect,
        resolution=item.resolution,
        seed=item.seed,
        mode=item.mode,  # pyright: ignore[reportArgumentType]
        references=tuple(reference(text) for text in item.reference),
        options=options,
    )
    with in_scene(item.scene):
        aspect = None
        of_view = view_aspect is not None and not item.camera and not item.place
        if item.canvas:
            own = view_aspect if of_view else camera_aspect(bpy.context.scene)
            aspect = own * item.crop[2] / item.crop[3] if item.crop and own else own
            if not of_view:
                _check_camera(item)
    prepared = prepare(model, lambda: request, aspect)
    if prepared.problem is not None:
        raise prepared.problem
    return prepared


def _seen(item: BatchItem, prepared: Prepared) -> tuple[Any, ...]:
    """What a capture is of: equal for pictures that share one."""
    size = prepared.canvas_size
    assert size is not None
    placed = item.place, item.turn, item.room, item.around, item.crop
    plain = item.scene, item.frame is not None, item.frame, item.camera, size, item.mode
    return (*plain, *placed) if any(placed) else plain


def placed(item: BatchItem, aspect: float) -> placement.Placement | None:
    """The camera that is placed for an item in the context's scene, as it is now."""
    if not item.place:
        return None
    return placing.placed(bpy.context, item.around, item.place, item.turn, item.room, aspect)


def view_name(item: BatchItem) -> str:
    """What History calls the view."""
    if not item.place:
        return item.camera
    turned = f" {item.turn:+g}°" if item.turn else ""
    return f"{item.place}{turned} (placed)"


def capture_spec(item: BatchItem, prepared: Prepared) -> CaptureSpec:
    """For the context's scene at its frame."""
    size = prepared.canvas_size
    assert size is not None
    return CaptureSpec(
        width=size.width,
        height=size.height,
        camera=view_name(item) or None,
        mode=item.mode,
        # The frame's part is meant: what lies around it is not to be in the picture.
        fit="crop" if item.crop else "extend",
        placed=placed(item, size.aspect),
        part=item.crop,
    )


def batch_name(start: str, *of: object) -> str:
    """Of a batch's folder: the same for the same, in whatever process."""
    digest = hashlib.sha256("\n".join(map(str, of)).encode()).hexdigest()[:8]
    plain = re.sub(r"[^\w-]+", "-", start)[:60] or "batch"
    return f"{plain}-{digest}"


def file_name(path: Path) -> str:
    """Of the folder of a batch from a file: the same from the panel and the command line."""
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    return f"{path.stem}-{digest}"


def folder_of(store: HistoryStore, name: str) -> Path:
    return store.folder / FOLDER / name


def states(folder: Path) -> dict[str, str]:
    """What has become of each picture, by key; {} where nothing was begun."""
    if not folder.is_dir():
        return {}
    return {key: mark.state for key, mark in Progress(folder, "").marks.items()}


def ids_done(folder: Path) -> tuple[str, ...]:
    """The items of History that a batch has made, in its order."""
    if not folder.is_dir():
        return ()
    marks = Progress(folder, "").marks
    return tuple(
        marks[key].id for key in read_plan(folder) if key in marks and marks[key].state == "done"
    )
