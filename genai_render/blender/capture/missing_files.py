# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the scene needs and that are not there: textures, libraries, fonts, caches.

Blender goes on without them: a texture is magenta then, a linked object an empty, and nothing says
so in a render.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import bpy

_NAMED = 3
_FRAME = re.compile(r"\d+(?=\D*$)")
_TILE = re.compile(r"<UDIM>|<UVTILE>")
_SPECIAL = re.compile(r"[\[*?]")

# What uses a data-block without being a part of the picture.
_NOT_SEEN = ("BRUSH", "PALETTE", "PAINTCURVE", "SCREEN", "WORKSPACE", "WINDOWMANAGER", "SCENE")

_TEXTS = {
    "texture": (
        "texture is missing",
        "textures are missing",
        "What they color is drawn in magenta, and what they shape stays flat.",
    ),
    "library": (
        "linked file is missing",
        "linked files are missing",
        "What comes from them is not in the picture.",
    ),
    "font": (
        "font is missing",
        "fonts are missing",
        "Text is drawn in Blender's own font instead.",
    ),
    "cache": (
        "cache is missing",
        "caches are missing",
        "What they hold is not in the picture, or stands still.",
    ),
}


def notices(scene: bpy.types.Scene) -> list[str]:
    """One sentence a kind: how many are missing, the first of them, and what that means."""
    missing = {
        "texture": _unused_left_out(scene, _textures()),
        "library": [_file_name(library) for library in bpy.data.libraries if _is_gone(library)],
        "font": _unused_left_out(scene, _fonts()),
        "cache": [*_unused_left_out(scene, _cache_files()), *_caches_of_objects(scene)],
    }
    return [_sentence(kind, names) for kind, names in missing.items() if names]


def _sentence(kind: str, names: list[str]) -> str:
    names = sorted(set(names))
    one, many, means = _TEXTS[kind]
    named = ", ".join(names[:_NAMED])
    if len(names) > _NAMED:
        named += f" and {len(names) - _NAMED} more"
    return (
        f"{len(names)} {one if len(names) == 1 else many}: {named}. {means} "
        "File > External Data > Find Missing Files looks for them."
    )


# --- what is not there ----------------------------------------------------------------------------


def _textures() -> Iterator[bpy.types.Image]:
    for image in bpy.data.images:
        if image.source in ("FILE", "SEQUENCE", "MOVIE", "TILED") and not _is_packed(image):
            if image.source != "TILED" and image.has_data and not image.filepath:
                continue  # painted in Blender, not saved yet
            if _is_gone(image):
                yield image


def _fonts() -> Iterator[bpy.types.VectorFont]:
    for font in bpy.data.fonts:
        if font.filepath != "<builtin>" and font.packed_file is None and _is_gone(font):
            yield font


def _cache_files() -> Iterator[bpy.types.ID]:
    for one in (*bpy.data.cache_files, *bpy.data.volumes):
        packed = getattr(one, "packed_file", None) is not None
        if not packed and one.filepath and _is_gone(one):
            yield one


def _caches_of_objects(scene: bpy.types.Scene) -> Iterator[str]:
    for thing in scene.objects:
        if thing.hide_render:
            continue
        for modifier in thing.modifiers:
            modifier: Any
            path = ""
            if modifier.type == "MESH_CACHE":
                path = modifier.filepath
            elif modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
                path = modifier.domain_settings.cache_directory
            if path and modifier.show_render and not Path(_absolute(path, thing)).exists():
                yield f"{Path(path).name or path} ({thing.name})"


def _is_packed(image: bpy.types.Image) -> bool:
    return image.packed_file is not None or len(image.packed_files) > 0


def _is_gone(owner: Any) -> bool:
    return not _exists(_absolute(owner.filepath, owner))


def _absolute(path: str, owner: bpy.types.ID) -> str:
    return bpy.path.abspath(path, library=owner.library)


def _exists(path: str) -> bool:
    """Also of a path that stands for several files: tiles, or the frames of a sequence."""
    if Path(path).is_file():
        return True
    name = _TILE.sub("*", _SPECIAL.sub(r"[\g<0>]", Path(path).name))
    if "*" not in name:
        name = _FRAME.sub("[0-9]*", name)
    return "*" in name and any(Path(path).parent.glob(name))


def _file_name(owner: Any) -> str:
    return Path(owner.filepath.replace("\\", "/")).name or owner.name


# --- what the scene uses --------------------------------------------------------------------------


def _unused_left_out(scene: bpy.types.Scene, owners: Iterable[Any]) -> list[str]:
    """The file names of those that the scene's picture depends on."""
    owners = list(owners)
    if not owners:
        return []
    users = bpy.data.user_map()
    return [_file_name(owner) for owner in owners if _leads_to(scene, owner, users)]


def _leads_to(scene: bpy.types.Scene, owner: bpy.types.ID, users: dict[Any, Any]) -> bool:
    """Whether the owner, its users, theirs … come to the scene. Not as a brush does, nor as what
    only the compositor mixes in, nor as a picture to draw after: a capture leaves that out."""
    seen: set[Any] = set()
    ahead = [owner]
    while ahead:
        used = ahead.pop()
        for user in users.get(used, ()):
            kind = user.id_type
            if user in seen or (kind == "NODETREE" and user.type == "COMPOSITING"):
                continue
            if used.id_type == "IMAGE" and kind in ("OBJECT", "CAMERA"):
                continue
            seen.add(user)
            if user == scene.world or (kind == "COLLECTION" and user == scene.collection):
                return True
            if kind == "OBJECT" and user.name in scene.objects:
                return True
            if kind not in _NOT_SEEN:
                ahead.append(user)
    return False
