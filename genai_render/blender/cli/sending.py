# SPDX-License-Identifier: GPL-3.0-or-later
"""`video` and `model3d`: a clip or a 3D model of a picture that is there."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import bpy

from ...backends import action_requests, send_on
from ...console import Console
from ...core.errors import InvalidInput
from ...core.image import images
from ...core.media import MediaKind
from ...core.models.catalog import Model
from ...core.models.output_spec import clip_seconds
from ...core.preflight import Prepared
from ...core.request import OptionValue, Reference
from .. import catalog as catalogs
from ..history_place import open_history
from . import control_clip, making
from .history import existing_item, folder_of


def send(parsed: argparse.Namespace, console: Console) -> int:
    kind: MediaKind = "video" if parsed.command == "video" else "model"
    catalog = catalogs.load([])
    model = send_on.model_of(catalog, kind, parsed.model or "")
    said = making.said_options(parsed)
    if kind == "video":
        given = {"duration": parsed.duration, "resolution": parsed.resolution}
        said |= {name: text for name, text in given.items() if text is not None}
    options: dict[str, OptionValue] = {
        name: model.option(name).parse(text) for name, text in said.items()
    }
    picture = _picture(parsed, parsed.image)
    end = _picture(parsed, parsed.end) if kind == "video" and parsed.end else None
    wish = send_on.Wish(
        kind,
        words=parsed.prompt if kind == "video" else "",
        aspect=parsed.aspect if kind == "video" else "auto",
        end=None if end is None else Reference(end.data, "end.png"),
        options=options,
        seed=parsed.seed,
    )
    if kind == "video":
        _check_follow(parsed, model)
    prepared = send_on.prepared(wish, model, picture, making.seen(parsed, model))
    name = f"{Path(parsed.image).stem}-{'clip' if kind == 'video' else '3d'}"
    run = making.Making(parsed, console, catalog, prepared, 1)
    if parsed.dry_run:
        return run.say_plan([name])
    if kind == "video" and parsed.follow is not None:
        wish = replace(wish, control=_followed(parsed, console, prepared, model))
        prepared = send_on.prepared(wish, model, picture, making.seen(parsed, model))
    return run.run(iter([prepared]), [name])


def _check_follow(parsed: argparse.Namespace, model: Model) -> None:
    taken = model.extra.get("control")
    if parsed.follow is None:
        if taken:
            raise InvalidInput(
                f"{model.label} needs a clip of the scene to follow.",
                action=f"Give --follow {' or '.join(taken['layers'])}, or choose another model.",
            )
        return
    if not taken or parsed.follow not in taken["layers"]:
        able = [
            one.id
            for one in catalogs.load([]).making("video")
            if parsed.follow in one.extra.get("control", {}).get("layers", ())
        ]
        raise InvalidInput(
            f"{model.label} does not follow a clip of the scene's {parsed.follow}.",
            action=f"Choose {', '.join(able)}." if able else "Leave out --follow.",
        )


def _followed(
    parsed: argparse.Namespace, console: Console, prepared: Prepared, model: Model
) -> bytes:
    """The scene's animation, at the size and the frames a second that the model wants."""
    assert prepared.spec is not None, "it was checked"
    assert prepared.request is not None, "it was checked"
    scene = bpy.context.scene
    rate = int(model.extra["control"]["rate"])
    start = scene.frame_start if parsed.start is None else parsed.start
    seconds = clip_seconds(model, prepared.request)
    own = scene.render.fps / scene.render.fps_base
    size = tuple(max(16, side // 16 * 16) for side in (prepared.spec.width, prepared.spec.height))
    moments = control_clip.times(start, seconds, rate, own)
    return control_clip.make(
        bpy.context,
        parsed.follow,
        (size[0], size[1]),
        moments,
        rate,
        parsed.camera,
        lambda done: console.progress(done, "Capturing the animation"),
    )


def _picture(parsed: argparse.Namespace, named: str) -> action_requests.Picture:
    path = Path(named)
    if path.exists():
        return action_requests.Picture(images.read_file(path))
    item = existing_item(folder_of(parsed), named)
    if item.image_path is None:
        raise InvalidInput(f'"{item.id}" has no image: its request {item.status}.')
    with open_history(folder_of(parsed)) as store:
        return action_requests.from_history(store, item.id, with_canvas=False)
