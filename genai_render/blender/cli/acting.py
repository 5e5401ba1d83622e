# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions on a picture that is there: `upscale`, `cutout`, `relight`, `material` and others."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import bpy

from ...backends import action_requests
from ...console import Console
from ...core import actions
from ...core.errors import InvalidInput
from ...core.image import images
from ...core.preflight import prepare
from ...core.request import Reference
from ..history_place import open_history
from . import making, masking, shots
from .history import existing_item, folder_of

_LIGHT = ("azimuth", "elevation", "sun", "warmth", "sky", "lamps")


def act(parsed: argparse.Namespace, console: Console) -> int:
    action = parsed.command
    if action in actions.REFERRING:
        masking.check(parsed)
    if parsed.model is None:
        parsed.model = actions.offline_model(action)
    if not parsed.model:
        raise InvalidInput(
            f"{actions.LABELS[action]} needs a model that takes references.",
            action='Name one with --model; "models" lists them.',
        )
    if action == "swap-face":
        console.notice(actions.CONSENT)
    catalog, model = making.model_of(parsed, console)
    picture = _picture(parsed)
    name = f"{Path(parsed.image).stem}-{action}"
    if action == "reframe" and parsed.from_scene:
        return _seen_wider(parsed, console, picture.parent, name)
    wish = _wish(parsed)
    if action in actions.REFERRING:
        wish = _by_reference(parsed, console, wish, picture)
    made = action_requests.prepared(wish, model, picture, lambda _id: making.seen(parsed, model))
    names = [name] if len(made) == 1 else [f"{name}-{at:02}" for at in range(1, len(made) + 1)]
    run = making.Making(parsed, console, catalog, made[0], len(names))
    if parsed.dry_run:
        return run.say_plan(names)
    return run.run(iter(made), names)


def _picture(parsed: argparse.Namespace) -> action_requests.Picture:
    path = Path(parsed.image)
    if path.exists():
        return action_requests.Picture(images.read_file(path))
    item = existing_item(folder_of(parsed), parsed.image)
    if item.image_path is None:
        raise InvalidInput(f'"{item.id}" has no image: its request {item.status}.')
    with open_history(folder_of(parsed)) as store:
        wanted = action_requests.needs_canvas(parsed.command)
        return action_requests.from_history(store, item.id, wanted)


def _wish(parsed: argparse.Namespace) -> action_requests.Wish:
    wish = action_requests.Wish(parsed.command, seed=parsed.seed)
    if parsed.command == "upscale":
        return replace(wish, times=parsed.times, method=parsed.method)
    if parsed.command == "reframe":
        return replace(wish, aspect=parsed.aspect, position=parsed.position, words=parsed.prompt)
    if parsed.command == "relight":
        given = {name: getattr(parsed, name) for name in _LIGHT}
        light = {name: value for name, value in given.items() if value is not None}
        if parsed.new_sky:
            light["new_sky"] = True
        return replace(wish, light=tuple(light.items()), day=parsed.day)
    if parsed.command in actions.REFERRING:
        return wish
    wish = replace(wish, distance=parsed.distance, floor=parsed.floor)
    if parsed.command == "background":
        wish = replace(wish, words=parsed.prompt, **_behind(parsed))
    return wish


def _by_reference(
    parsed: argparse.Namespace,
    console: Console,
    wish: action_requests.Wish,
    picture: action_requests.Picture,
) -> action_requests.Wish:
    image = None
    if parsed.taken_from is not None:
        role = actions.REFERRING[parsed.command]
        image = Reference.from_path(parsed.taken_from, role)
    return replace(
        wish,
        words=parsed.prompt,
        image=image,
        mask=masking.mask(parsed, console, picture.data, picture.parent),
        what=(*parsed.object, *parsed.material, *parsed.collection),
    )


def _behind(parsed: argparse.Namespace) -> dict[str, object]:
    if parsed.image_behind is not None:
        return {"behind": "image", "image": Reference.from_path(parsed.image_behind)}
    if parsed.color is not None:
        below = parsed.color_below
        kind = "color" if below is None else "gradient"
        return {"behind": kind, "color": parsed.color, "color_below": below or parsed.color}
    if parsed.prompt.strip():
        return {"behind": "sky"}
    raise InvalidInput(
        "It is not said what is to be behind.", action="Give --prompt, --color or --image."
    )


def _seen_wider(parsed: argparse.Namespace, console: Console, item_id: str, name: str) -> int:
    """The camera that made the picture sees more, and it is made again as it was."""
    if not item_id:
        raise InvalidInput("A file does not say how it was made.", action="Name an id in History.")
    with open_history(folder_of(parsed)) as store:
        request = store.request(item_id)
    if request.kind != "render" or request.canvas is None:
        raise InvalidInput(
            "This picture was not made from a view of the scene.",
            action="Leave out --from-scene: then it is continued at its edges.",
        )
    view = request.canvas.view
    if not view.camera or view.camera not in bpy.context.scene.objects:
        raise InvalidInput(
            f'This scene has no camera "{view.camera}".'
            if view.camera
            else "This picture was made from a free view, not from a camera.",
            action="Open the scene that it was made from, or leave out --from-scene.",
        )
    parsed.model = request.model
    catalog, model = making.model_of(parsed, console)
    asked = request.with_(
        canvas=None, aspect=parsed.aspect, parent=item_id, width=0, height=0, count=1
    )
    prepared = prepare(model, lambda: asked, view.aspect, making.seen(parsed, model))
    run = making.Making(parsed, console, catalog, prepared, 1)
    if parsed.dry_run:
        return run.say_plan([name])
    shot = shots.Shot(view.camera, view.frame)
    position = actions.POSITIONS[parsed.position]
    with shots.kept_frame():
        taken = making.captured(prepared, [shot], console, position)
        return run.run(taken, [name])
