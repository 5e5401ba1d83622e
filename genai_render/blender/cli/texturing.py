# SPDX-License-Identifier: GPL-3.0-or-later
"""`texture`: pictures of History baked into textures of what they show, and the scene saved."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ...console import Console
from ...core import next_camera
from ...core.errors import InvalidInput, StorageError
from ...core.image import images
from ..capture import placing
from ..capture.camera import unit_metres
from ..history_place import open_history
from ..texturing import baking, materials, surfaces
from . import carrying
from .history import existing_item, folder_of
from .interrupt import shielded

if TYPE_CHECKING:
    from ...core.next_camera import Accepted


def texture(parsed: argparse.Namespace, console: Console) -> int:
    path = _path(parsed)
    ids = [existing_item(folder_of(parsed), item).id for item in parsed.items]
    context = bpy.context
    uvs = parsed.uvs.upper()
    # What stands against it, before anything is paid for.
    surfaces.collect(context, parsed.object, uvs=uvs)
    with open_history(folder_of(parsed)) as store:
        accepted = [next_camera.load(store, item_id) for item_id in ids]
        if parsed.views is not None:
            parsed.model = parsed.model or accepted[0].request.model
            targets = _targets(parsed, accepted[0])
            code, made = carrying.into(store, accepted[0], targets, parsed, console)
            if code or parsed.dry_run:
                return code
            ids += made
        elif parsed.dry_run:
            console.line(f"Would bake {len(ids)} picture(s) into textures of {parsed.size}.")
            return 0
        views = [one.canvas.view for one in accepted]
        rendered = parsed.views is not None or any(view.source == "passes" for view in views)
        with shielded():
            collected = surfaces.collect(context, parsed.object, uvs=uvs, rendered=rendered)

        def progress(share: float) -> None:
            console.progress(share, "Baking textures")

        textures, notices = baking.baked(store, ids, collected.things, parsed.size, progress)
    for text in [*collected.notices, *notices]:
        console.notice(text)
    with shielded():
        for one in textures:
            thing = context.scene.objects[one.thing.name]
            if not materials.put(context.scene, thing, one.thing, one.png, lit=parsed.lit):
                console.notice(f'"{one.thing.name}" could not be given its texture.')
                continue
            console.event(
                "texture", object=one.thing.name, side=one.side, uvs=one.thing.layer, seen=one.seen
            )
        _save(path, keep=parsed.save)
    console.line(baking.summary(textures))
    console.line(str(path))
    console.event("saved", path=str(path), textures=len(textures))
    return 0


def _path(parsed: argparse.Namespace) -> Path:
    """Where the scene is saved. Raises InvalidInput."""
    if parsed.save_as is not None:
        if parsed.save_as.suffix.lower() != ".blend":
            raise InvalidInput(
                f'"{parsed.save_as.name}" is no name of a scene.', action="Let it end in .blend."
            )
        return parsed.save_as.resolve()
    if not bpy.data.filepath:
        raise InvalidInput("The scene has no file yet.", action="Give one with --save-as.")
    return Path(bpy.data.filepath)


def _save(path: Path, keep: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=not keep, check_existing=False)
    except (OSError, RuntimeError) as error:
        raise StorageError(
            f'"{path}" cannot be written.', str(error).strip(), "Choose another place."
        ) from error


def _targets(parsed: argparse.Namespace, accepted: Accepted) -> list[carrying.Target]:
    size = images.probe(accepted.image)
    metres = unit_metres(bpy.context.scene)
    seen_from = [row[3] / metres for row in accepted.canvas.view.camera_to_world[:3]]
    aspect = size.width / size.height
    around = placing.around(bpy.context, parsed.object, parsed.views, aspect, seen_from)
    return [carrying.Target(name, placed=placed) for name, placed in around]
