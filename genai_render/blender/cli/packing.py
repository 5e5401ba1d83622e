# SPDX-License-Identifier: GPL-3.0-or-later
"""`packs` and `pack`: named sets of shots, and the chosen ones of them again at 4K."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace

import bpy

from ...console import PROGRAM, Console
from ...core.batch import packs as shot_packs
from ...core.batch.packs import Pack, Wishes
from ...core.batch.run import Picture, planned
from ...core.errors import GenAIError, InvalidInput, SceneError
from ...core.files.toml_tables import suggest
from ...core.models.catalog import Catalog
from ..batches import items as batch_items
from ..batches import pack_folder
from ..capture import placing
from ..history_place import open_history
from . import arguments, batching, making
from .catalog_lists import known_catalog
from .history import existing_item, folder_of

WINNERS_RESOLUTION = "4K"


def packs(_parsed: argparse.Namespace, console: Console) -> int:
    problems: list[GenAIError] = []
    there = pack_folder.known(problems)
    width = max(map(len, there))
    for pack in there.values():
        console.event(
            "pack",
            id=pack.id,
            label=pack.label,
            description=pack.description,
            resolution=pack.resolution,
            shots=[
                {"id": shot.id, "label": shot.title, "aspect": shot.aspect} for shot in pack.shots
            ],
            fields={name: one.default for name, one in pack.fields.items()},
        )
        console.line(f"{pack.id:{width}}  {pack.label}: {pack.description}.")
        ids = ", ".join(shot.id for shot in pack.shots)
        console.line(f"{'':{width}}    shots: {ids}")
        for name, one in pack.fields.items():
            console.line(f'{"":{width}}    --{name} "{one.default}"')
    for problem in problems:
        console.notice(problem.text)
    return 0


def pack(parsed: argparse.Namespace, console: Console) -> int:
    problems: list[GenAIError] = []
    chosen = pack_folder.find(parsed.pack, problems)
    for problem in problems:
        console.notice(problem.text)
    catalog = known_catalog(console)
    parsed.shard = None
    if parsed.winners:
        return _winners(parsed, console, catalog, chosen)
    ids = None if parsed.shots is None else [id.strip() for id in parsed.shots.split(",")]
    shots = chosen.chosen(ids)
    wishes = _wishes(parsed, catalog, chosen)
    if wishes.canvas and replace(chosen, shots=shots).places_cameras:
        wishes = replace(wishes, around=placing.subject(bpy.context))
    items = shot_packs.expand(chosen, shots, wishes, batch_items.cameras, arguments.frames)
    named = [(shot_packs.title(shot, item, items), item) for shot, item in items]
    pictures = batch_items.pictures(catalog, named)
    name = batch_items.batch_name(f"pack-{chosen.id}", bpy.data.filepath)
    again = _once_more(parsed, chosen)
    titled = batching.Named(name, chosen.label, again, afresh=True)
    return batching.make(parsed, console, catalog, titled, pictures)


def _wishes(parsed: argparse.Namespace, catalog: Catalog, chosen: Pack) -> Wishes:
    values = {
        name: text
        for name, text in (("direction", parsed.direction), ("location", parsed.location))
        if text is not None
    }
    for text in parsed.field:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f'"{text}" says nothing of a field.', action="Write NAME=TEXT.")
        values[name] = value
    for name in values:
        if name not in chosen.fields:
            raise InvalidInput(
                f'The pack "{chosen.id}" does not ask for "{name}".',
                action=suggest(name, chosen.fields),
            )
    models = [id.strip() for id in parsed.model.split(",") if id.strip()]
    if parsed.no_canvas and not parsed.reference:
        raise InvalidInput("There is nothing to start from.", action="Give a --reference.")
    return Wishes(
        prompt=parsed.prompt,
        values=values,
        style=parsed.style,
        model=models[0] if models else "offline",
        models=models if len(models) > 1 else pack_folder.comparable(catalog),
        styles=tuple(catalog.styles),
        camera=parsed.camera or "",
        resolution=parsed.resolution or "",
        seed=parsed.seed,
        mode=parsed.mode,
        canvas=not parsed.no_canvas,
        reference=parsed.reference,
        options=making.said_options(parsed),
    )


def _once_more(parsed: argparse.Namespace, chosen: Pack) -> str:
    """What is typed to make winners of it; they are in the same History."""
    words = [PROGRAM, "pack", parsed.pack]
    if parsed.history is not None:
        words += ["--history", str(parsed.history)]
    return shlex.join(words)


def _winners(parsed: argparse.Namespace, console: Console, catalog: Catalog, chosen: Pack) -> int:
    folder = folder_of(parsed)
    items: list[tuple[str, shot_packs.BatchItem]] = []
    for id in dict.fromkeys(parsed.winners):
        found = existing_item(folder, id)
        with open_history(folder) as store:
            title, item = planned(store, found.id)
        here = bpy.path.basename(bpy.data.filepath)
        if item.canvas and found.blend != here:
            raise SceneError(
                f'"{found.id}" was made from another file than the open one.',
                f'It was made from "{found.blend or "a file that was not saved"}".',
                "Open that file.",
            )
        resolution = parsed.resolution or WINNERS_RESOLUTION
        items.append((title, replace(item, resolution=resolution)))
    pictures: list[Picture] = batch_items.pictures(catalog, items)
    name = batch_items.batch_name(f"pack-{chosen.id}-winners", bpy.data.filepath)
    titled = batching.Named(name, f"{chosen.label}: Winners", afresh=True)
    return batching.make(parsed, console, catalog, titled, pictures)
