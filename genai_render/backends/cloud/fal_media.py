# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips and 3D models at fal: a picture goes to the fields that data/media.toml names, a file comes
back."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...core import media
from ...core.errors import GenAIError, InvalidInput
from ...core.events import CancelToken, Event, Notice, Progress, Result
from ...core.image import images
from ...core.models.catalog import Model
from ...core.models.input_schema import Fields, InputField, own_fields
from ...core.models.output_spec import output_spec
from ...core.request import MAX_SEED, RenderRequest
from ..http import errors
from ..http.settings import Access
from . import answers
from .fal_job import again, charged, done
from .fal_queue import FalQueue, failed, guarded_call

_INLINE_BYTES = 1_500_000
"""Of all that is sent: so much goes along with the request, more is put aside and pointed to."""
_PLACES = {"video": ("video", "videos"), "model": ("model_glb", "model_mesh", "model_urls")}
_NEEDED = {
    "start": "an image to start from",
    "end": "a last frame",
    "control": "a clip of the scene to follow",
}


@dataclass(frozen=True, slots=True)
class _Sent:
    """A file that goes to a field."""

    field: str
    data: bytes
    mime: str
    name: str


def send_on(
    model: Model,
    request: RenderRequest,
    where: Access,
    fields: Fields,
    cancel: CancelToken,
    online_access: bool,
) -> Iterator[Event]:
    """Raises what `Backend.run` may; InvalidInput before anything is paid for."""
    label = where.provider.label
    queue = FalQueue(where, cancel, online_access)
    spec = output_spec(model, request)
    for text in spec.notes:
        yield Notice(text)
    sent = _files(model, request)
    settings = _settings(model, request, fields, spec.aspect)
    over = yield from done(
        queue,
        where,
        model,
        online_access,
        f"Sending the image to {label}",
        lambda: {**settings, **_attached(sent, queue, fields)},
        cancel,
    )
    answer, standing = over.answer, over.standing
    address = _address(answer, model.makes)
    if not address and standing.error:
        raise failed(label, 500, standing.error, standing.error_type)
    cost = charged(where, model, queue, over.units)
    yield Progress(None, f"Fetching it from {label}")
    try:
        if not address:
            raise errors.bad_answer(label, "There is nothing in it that was asked for.")
        kind = "video" if model.makes == "video" else "model"
        data = again(
            lambda: answers.downloaded(
                address,
                where,
                cancel,
                online_access,
                label,
                lambda get: guarded_call(get, label, cancel),
                kind,
            ),
            cancel,
        )
    except GenAIError as error:
        error.cost_usd = cost
        raise
    source = request.source or b""
    about = images.probe(source)
    seed = answer.get("seed")
    yield Result(
        source,
        about.mime,
        about.width,
        about.height,
        seed=seed if type(seed) is int and 0 <= seed <= MAX_SEED else request.seed,
        prompt_sent=request.prompt if "prompt" in own_fields(fields) else "",
        info={
            "provider": label,
            "model": model.name,
            "request_id": over.ticket.request_id,
            "asked": {
                name: value
                for name, value in settings.items()
                if isinstance(value, (str, int, float)) and name != "prompt"
            },
        },
        cost_usd=cost,
        media=media.read(data, kind),
    )


def _files(model: Model, request: RenderRequest) -> list[_Sent]:
    """The picture, the last frame and the clip to follow, each for its field."""
    named = model.extra.get("fields", {})
    end = request.references[0].data if request.references else None
    given = {"start": request.source, "end": end, "control": request.control}
    sent = []
    for role, data in given.items():
        if data is None:
            if role == "control" and "control" in named:
                raise InvalidInput(
                    f"{model.label} needs {_NEEDED[role]}.",
                    action="Choose what of the scene it is to follow, or another model.",
                )
            continue
        if role not in named:
            raise InvalidInput(
                f"{model.label} has no place for {_NEEDED[role]}.",
                action="Leave it out, or choose another model.",
            )
        mime = "video/mp4" if role == "control" else images.probe(data).mime
        suffix = ".mp4" if role == "control" else images.probe(data).suffix
        sent.append(_Sent(named[role], data, mime, f"{role}{suffix}"))
    return sent


def _settings(model: Model, request: RenderRequest, fields: Fields, aspect: str) -> dict[str, Any]:
    """All but the files, each as the model's own schema writes it."""
    own = own_fields(fields)
    body: dict[str, Any] = dict(model.extra.get("fixed", {}))
    if "prompt" in own:
        longest = fields[own["prompt"]].longest
        if longest and len(request.prompt) > longest:
            raise InvalidInput(
                f"{model.label} takes prompts of at most {longest} characters; this one has "
                f"{len(request.prompt)}.",
                action="Shorten it.",
            )
        body[own["prompt"]] = request.prompt
    if "seed" in own and request.seed is not None:
        body[own["seed"]] = request.seed
    shape = fields.get("aspect_ratio")
    if aspect and shape is not None and aspect in shape.choices:
        body["aspect_ratio"] = aspect
    for option in model.options:
        one = fields.get(option.id)
        if one is not None:
            body[option.id] = _written(one, option.value_in(request.options), model)
    return {name: value for name, value in body.items() if name in fields}


def _written(field: InputField, value: Any, model: Model) -> Any:
    """A choice as the schema has it: "8" may be 8 or "8s" there."""
    if field.kind in ("int", "float") and isinstance(value, str):
        return int(value) if value.isdigit() else float(value)
    if field.kind != "choice" or str(value) in field.choices:
        return value
    for choice in field.choices:
        if choice.rstrip("s") == str(value):
            return choice
    raise InvalidInput(
        f'{model.label} cannot make "{value}" any more.', action=f"It takes {field.choices}."
    )


def _attached(sent: list[_Sent], queue: FalQueue, fields: Fields) -> dict[str, Any]:
    whole = sum(len(one.data) for one in sent)
    body: dict[str, Any] = {}
    for one in sent:
        address = (
            queue.uploaded(one.data, one.mime, one.name)
            if whole > _INLINE_BYTES
            else f"data:{one.mime};base64,{base64.b64encode(one.data).decode()}"
        )
        known = fields.get(one.field)
        several = known.kind == "images" if known is not None else one.field.endswith("s")
        body[one.field] = [address] if several else address
    return body


def _address(answer: Mapping[str, Any], kind: str) -> str:
    """Where the clip or the 3D model is; "" where there is none."""
    for name in _PLACES[kind]:
        entry = answer.get(name)
        if isinstance(entry, list):
            entry = entry[0] if entry else None
        if isinstance(entry, Mapping) and isinstance(entry.get("glb"), Mapping):
            entry = entry["glb"]
        url = entry.get("url") if isinstance(entry, Mapping) else entry
        if isinstance(url, str) and url:
            return url
    return ""
