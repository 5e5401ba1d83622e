# SPDX-License-Identifier: GPL-3.0-or-later
"""What one History item is on disk: from a request and its result to files, and back."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL

from .. import lazy, media
from ..errors import GenAIError, InvalidInput, StorageError
from ..events import Result
from ..files import storage
from ..image import images
from ..image.image_secrets import without_secrets
from ..image.metadata import Metadata, source_type
from ..keys.known_secrets import SHORTEST
from ..keys.redaction import base_name, redact, redact_json, redact_keys
from ..request import RenderRequest
from ..view import guides
from ..view.canvas import Canvas, View
from ..view.ids import Ids
from .item import ID, THUMBNAIL
from .schema import STATUSES

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy.module("numpy")

SCHEMA = 1
RECORD = "request.json"
MAX_RECORD_BYTES = 32 * 2**20

_NEEDED = ("request", "files", "versions")
_OPTIONAL = ("result", "canvas", "view", "error")  # objects that an item need not have

Files = dict[str, bytes]


def versions() -> dict[str, str]:
    """What made the pictures, as far as the core knows."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }


def request_json(request: RenderRequest) -> dict[str, Any]:
    """The request as JSON without keys and paths: what may be stored and shared."""
    values = redact_json({**request.to_json(), "prompt": "", "canvas": None})
    values["prompt"] = redact_keys(request.prompt)  # the user's own words stay as they are
    for entry in values["references"]:
        entry["name"] = base_name(entry["name"])
    if request.canvas is not None:
        values["canvas"] = view_json(request.canvas.view)
    return values


def result_json(result: Result) -> dict[str, Any]:
    """What is known of a result beside its image, without keys."""
    return {
        "index": result.index,
        "seed": result.seed,
        "prompt_sent": redact(result.prompt_sent),
        "info": redact_json(result.info, SHORTEST),
        "ai": result.ai,
    }


def media_json(made: media.Media) -> dict[str, Any]:
    """What is known of a clip or a 3D model, beside its bytes."""
    return {
        "file": made.name,
        "kind": made.kind,
        "mime": made.mime,
        "seconds": made.seconds,
        "width": made.width,
        "height": made.height,
        "sound": made.sound,
    }


def view_json(view: View) -> dict[str, Any]:
    return redact_json({**view.to_json(), "blend_name": base_name(view.blend_name)})


def make_files(request: RenderRequest, result: Result | None) -> tuple[Files, dict[str, Any]]:
    """The files of an item but for its record, and the parts of the record that name them.

    Raises ImageError if the result is not a whole image.
    """
    files: Files = {}
    parts: dict[str, Any] = {"request": request_json(request), "result": None, "canvas": None}
    if result is not None:
        info = images.probe(result.image, "The result")
        name = f"image{info.suffix}"
        files[name] = without_secrets(result.image)
        files[THUMBNAIL] = images.thumbnail(result.image, name="The result")
        parts["result"] = {
            "file": name,
            "mime": info.mime,
            "width": info.width,
            "height": info.height,
            **result_json(result),
            "source_type": source_type(result.ai, request.canvas is not None, request.source),
        }
        if result.media is not None:
            files[result.media.name] = result.media.data
            parts["result"]["media"] = media_json(result.media)
        for name, data in _sent_files(result.sent).items():
            files[f"sent/{name}"] = data
    if request.canvas is not None:
        canvas_files, parts["canvas"] = _canvas_files(request.canvas)
        files |= canvas_files
    for number, reference in enumerate(request.references, 1):
        files[f"reference-{number}{images.probe(reference.data).suffix}"] = reference.data
    for name in ("source", "mask", "markup"):
        data = getattr(request, name)
        if data is not None:
            files[f"{name}{images.probe(data).suffix}"] = data
    if request.control is not None:
        files[media.CONTROL] = request.control
    parts["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
    }
    return files, parts


def embedded(record: Mapping[str, Any]) -> Metadata:
    """What an exported image says about itself: its request, and how it was made."""
    result = record.get("result") or {}
    used = {name: result.get(name) for name in ("seed", "index")}
    used |= {"history_id": record.get("id"), "created_utc": record.get("created_utc")}
    return Metadata({**record["request"], "used": used}, str(result.get("source_type", "")))


def read_media_file(path: Path) -> bytes:
    with storage.storage_errors(f'"{path.name}" cannot be read.'):
        return storage.read_file(path, media.MAX_BYTES)


def write_record(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, indent=1).encode()


def read_record(folder: Path | str) -> dict[str, Any]:
    """The record of an item's folder. Raises StorageError if it is missing or damaged."""
    what = f'The record of "{os.path.basename(folder)}" cannot be read.'  # noqa: PTH119
    try:
        data = storage.read_file(f"{folder}/{RECORD}", MAX_RECORD_BYTES)
        if len(data) > MAX_RECORD_BYTES:
            raise StorageError(what, "It is too large.")
        record = json.loads(data.decode())
    except OSError as error:
        raise StorageError(what, f"{error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise StorageError(what, "It is damaged.") from error
    if not isinstance(record, dict) or not _is_whole(record):
        raise StorageError(what, "It is damaged.")
    schema = record.get("schema", SCHEMA)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise StorageError(what, "A newer genai_render wrote it.", "Update the add-on.")
    return record


def _is_whole(record: dict[str, Any]) -> bool:
    """Whether its parts are of the kinds that they should be."""
    for part in _NEEDED:
        if not isinstance(record.get(part), dict):
            return False
    for part in _OPTIONAL:
        if not isinstance(record.get(part) or {}, dict):
            return False
    for entry in record["files"].values():
        if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str):
            return False
    result = record.get("result")
    return not result or isinstance(result.get("file"), str)


def problems(folder: Path, record: Mapping[str, Any]) -> list[str]:
    """What is not as it was when the item was saved: missing or changed files."""
    found = []
    for name, expected in record["files"].items():
        try:
            data = (folder / name).read_bytes()
        except OSError:
            found.append(f"{name} is missing")
            continue
        if hashlib.sha256(data).hexdigest() != expected["sha256"]:
            found.append(f"{name} has changed")
    return found


def load_canvas(folder: Path, record: Mapping[str, Any]) -> Canvas | None:
    """The Canvas back from its files; None if the item was made without one.

    Colour and coverage are exact, distances and normals as near as `guides` says.
    Raises StorageError if it is damaged.
    """
    part = record.get("canvas")
    if not part:
        return None
    try:
        view = View.from_json(record["request"]["canvas"])
        color = _decode(folder / part["color"])
        if color.shape[2] == 3:
            color = np.dstack([color, np.full(color.shape[:2], 255, np.uint8)])
        scale = guides.DepthScale.from_json(part["depth"])
        depth = guides.decode_depth(
            images.decode_grey16(images.read_file(folder / part["depth"]["file"])), scale
        )
        normal = guides.decode_normal(_decode(folder / part["normal"]))
        albedo = _decode(folder / part["albedo"])[..., :3] if part.get("albedo") else None
        return Canvas(color, depth, normal, view, albedo, ids=load_ids(folder, record))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, InvalidInput) as error:
        why = error.text if isinstance(error, GenAIError) else ""
        raise StorageError(f'The view of "{folder.name}" cannot be opened.', why) from error


def load_ids(folder: Path, record: Mapping[str, Any]) -> Ids | None:
    """Which object each pixel of its view shows; None if that was not kept with it.

    Raises StorageError if it is damaged.
    """
    part = (record.get("canvas") or {}).get("ids")
    if not part:
        return None
    try:
        return Ids.from_files(part, lambda name: images.read_file(folder / base_name(name)))
    except InvalidInput as error:
        what = f'The objects of the view of "{folder.name}" cannot be read.'
        raise StorageError(what, error.text) from error


def load_request(folder: Path, record: Mapping[str, Any]) -> RenderRequest:
    """The request back with its canvas and images. Raises StorageError if a part is missing."""
    by_digest = {entry["sha256"]: name for name, entry in record["files"].items()}

    def load(digest: str) -> bytes:
        name = by_digest.get(digest)
        if name is None:
            raise StorageError("An image of this request was not kept.", f"({digest})")
        if name == media.CONTROL:
            return read_media_file(folder / name)
        return images.read_file(folder / name)

    return RenderRequest.from_json(record["request"], load, load_canvas(folder, record))


def index_values(record: Mapping[str, Any], favourite: bool, in_bin: bool) -> dict[str, Any]:
    """A record as the index's columns. Raises StorageError for a damaged one."""
    try:
        request = record["request"]
        result = record.get("result") or {}
        view = record.get("view") or {}
        error = record.get("error") or {}
        seed = result.get("seed")
        created = float(record["created"])
        datetime.fromtimestamp(created, UTC)  # refuses a moment that no calendar has
        values = {
            "id": str(record["id"]),
            "in_bin": int(in_bin),
            "status": str(record["status"]),
            "created": created,
            "kind": str(request.get("kind", "render")),
            "parent": str(request.get("parent", "")),
            "session": str(record.get("session", "")),
            "prompt": str(request["prompt"]),
            "model": str(request["model"]),
            "style": str(request["style"]),
            "seed": _number(int, request.get("seed") if seed is None else seed),
            "width": _number(int, result.get("width")) or 0,
            "height": _number(int, result.get("height")) or 0,
            "image": base_name(str(result.get("file", ""))),
            "cost_usd": _number(float, record.get("cost_usd")),
            "seconds": _number(float, record.get("seconds")),
            "ai": int(bool(result.get("ai", True))),
            "favourite": int(favourite),
            "blend": str(view.get("blend_name", "")),
            "scene": str(view.get("scene", "")),
            "camera": str(view.get("camera", "")),
            "frame": _number(int, view.get("frame")) or 0,
            "error_code": str(error.get("code", "")),
            "error": " ".join(error[k] for k in ("what", "why", "action") if error.get(k)),
        }
        texts = [value for value in values.values() if isinstance(value, str)]
        "".join(texts).encode()  # refuses halves of characters
        # What the index would take for its own damage.
        if values["status"] not in STATUSES or ID.fullmatch(values["id"]) is None:
            raise ValueError(values["status"], values["id"])
        return values
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as problem:
        raise StorageError(f"A record of History is damaged: {problem!r}.") from problem


def _number(kind: type[int] | type[float], value: Any) -> int | float | None:
    """A number that SQLite can hold, or None. Raises TypeError or ValueError for another value."""
    if value is None:
        return None
    number = kind(value)
    if not -(2.0**62) < number < 2.0**62:
        raise ValueError(f"{number} is out of range")
    return number


def _decode(path: Path) -> Any:
    return images.decode(images.read_file(path), path.name, ours=True)


def _sent_files(sent: Mapping[str, bytes]) -> Files:
    """Guide images under names that are safe on every system."""
    files: Files = {}
    for name, data in sent.items():
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", base_name(name)).strip(".-")[:60] or "image"
        while plain in files:
            plain = f"again-{plain}"
        files[plain] = data
    return files


# The images of one request (count 4) and of several styles share a view, and encoding a 4K one
# takes seconds: the last two stay, as the few megabytes of their files.
_recent: OrderedDict[str, tuple[Files, dict[str, Any]]] = OrderedDict()
_recent_lock = threading.Lock()


def _canvas_files(canvas: Canvas) -> tuple[Files, dict[str, Any]]:
    digest = canvas.digest()
    with _recent_lock:
        if digest in _recent:
            _recent.move_to_end(digest)
            files, part = _recent[digest]
            return dict(files), dict(part)
    # An orthographic view can have surfaces at 0 and behind: only plain distance can keep them.
    curve: guides.Curve = "logarithm" if canvas.view.projection == "PERSP" else "distance"
    depth, scale = guides.encode_depth(canvas.depth, curve, 16)
    makers: dict[str, Callable[[], bytes]] = {
        "canvas.webp": lambda: images.encode_webp(canvas.color, lossless=True),
        "depth.png": lambda: images.encode_png(depth),
        "normal.png": lambda: images.encode_png(guides.encode_normal(canvas.normal)),
    }
    albedo = canvas.albedo
    if albedo is not None:
        makers["albedo.webp"] = lambda: images.encode_webp(albedo, lossless=True)
    files = {name: make() for name, make in makers.items()}
    part = {
        "digest": digest,
        "color": "canvas.webp",
        "depth": {"file": "depth.png", **scale.to_json()},
        "normal": "normal.png",
        "albedo": "albedo.webp" if albedo is not None else None,
    }
    if canvas.ids is not None:
        ids_files, part["ids"] = canvas.ids.files()
        files |= ids_files
    with _recent_lock:
        _recent[digest] = (files, part)
        while len(_recent) > 2:
            _recent.popitem(last=False)
    return dict(files), dict(part)
