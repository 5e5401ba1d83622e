# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is set in the panel to a RenderRequest, or the reason why there can be none yet."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import bpy

from ...backends.base import Backend, backend_info, create_backend
from ...backends.http import settings as connections
from ...backends.http.errors import OnlineAccessOff
from ...core import cost
from ...core.catalog import Model
from ...core.errors import GenAIError, InvalidInput, SceneError
from ...core.output_spec import OutputSpec, output_spec
from ...core.request import PROMPT_LIMIT, Reference, RenderRequest, check_prompt, prompt_length
from .. import preferences
from ..capture import viewport_frame
from ..connections import keys
from ..settings import properties, reference_store
from . import scene_description, session

_SURFACES = {
    *("MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD", "VOLUME"),
    *("GREASEPENCIL", "GPENCIL", "EMPTY"),
}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What pressing Generate would do now.

    problem: why it cannot be pressed; "" if it can. cost: in words. plan: what is asked for.
    """

    problem: str
    cost: str = ""
    spec: OutputSpec | None = None


def prompt_of(settings: Any) -> str:
    """The prompt that counts: the text's, if one is chosen, else the field's."""
    text = settings.prompt_text
    return text.as_string() if text is not None else settings.prompt


def prompt_count(settings: Any) -> str:
    """For people: "123/2000"."""
    return f"{prompt_length(prompt_of(settings).strip())}/{PROMPT_LIMIT}"


def frame_aspect(context: bpy.types.Context) -> float | None:
    """Width to height of what the viewport would send; None without a viewport."""
    found = viewport_frame.find_view(context)
    if found is None:
        return None
    return viewport_frame.aspect_of(context, *found, properties.settings(context).aspect)


def build(
    context: bpy.types.Context, aspect: float | None, prompt: str | None = None
) -> RenderRequest:
    """The request without its canvas. aspect: the frame's, for "auto". prompt: instead of the
    user's.

    Raises a GenAIError that says what is missing.
    """
    settings = properties.settings(context)
    model = properties.chosen_model(settings)
    references = tuple(_reference(slot) for slot in properties.references(settings) if slot.digest)
    own = aspect if settings.use_canvas else None
    request = RenderRequest(
        prompt=prompt_of(settings) if prompt is None else prompt,
        model=model.id,
        style=settings.style or properties.DEFAULT_STYLE,
        aspect=settings.aspect,
        resolution=settings.resolution,
        count=settings.count,
        seed=settings.seed if settings.use_seed else None,
        mode=settings.mode,
        references=references,
        options=properties.option_values(context.scene, model),
        enhance=settings.enhance,
        scene_text=scene_description.describe(context) if settings.enhance else "",
        parent=settings.parent,
    )
    model.check(request)
    if model.needs_canvas_or_reference and not (settings.use_canvas or references):
        raise InvalidInput(
            f"{model.label} needs something to start from.",
            action="Turn the view on, or choose a reference.",
        )
    asked = output_spec(model, request, own)
    return request.with_(width=asked.width, height=asked.height)


def outlook(context: bpy.types.Context) -> Outlook:
    """What pressing Generate would do now. Cheap enough for every redraw."""
    settings = properties.settings(context)
    model = properties.chosen_model(settings)
    problem = ""
    try:
        prompt = prompt_of(settings)
        check_prompt(prompt)
    except GenAIError as error:
        # What it will be and cost is shown while there is no prompt yet, too.
        problem, prompt = error.text, "-"
    try:
        aspect = frame_aspect(context) if settings.use_canvas else None
        request = build(context, aspect, prompt)
        asked = output_spec(model, request, aspect)
        sent = (asked.width, asked.height) if settings.use_canvas else None
        estimated = cost.estimate_parts(model, request, sent)
    except GenAIError as error:
        return Outlook(problem or error.text)
    words = estimated.text
    if problem:
        return Outlook(problem, words, asked)
    for check in (_check_view, _check_budget, _check_access):
        try:
            check(context, model, estimated.usd)
        except GenAIError as error:
            return Outlook(error.text, words, asked)
    return Outlook("", words, asked)


def check_allowed(context: bpy.types.Context, request: RenderRequest) -> None:
    """Whether a request may be sent now. Raises a GenAIError that says why not."""
    model = properties.catalog().model(request.model)
    _check_budget(context, model, cost.estimate_parts(model, request).usd)
    _check_access(context, model, None)


def backend(model: Model) -> Backend:
    """The backend of a model, with what it has to know from the preferences."""
    settings = preferences.backend_settings(properties.catalog(), model)
    return create_backend(model.backend, settings)


def _reference(slot: Any) -> Reference:
    path = reference_store.path_of(slot.digest)
    if path is None:
        return reference_store.load(slot)  # raises, and says so
    return Reference(_read(slot.digest), slot.file_name or path.name, slot.role, slot.weight)


@functools.lru_cache(maxsize=4)
def _read(digest: str) -> bytes:
    path = reference_store.path_of(digest)
    assert path is not None
    return path.read_bytes()


def _check_view(context: bpy.types.Context, model: Model, usd: float | None) -> None:
    settings = properties.settings(context)
    if not settings.use_canvas:
        return
    if viewport_frame.find_view(context) is None:
        raise SceneError("There is no 3D Viewport to take the view from.", action="Open one.")
    if not any(
        thing.type in _SURFACES and thing.visible_get() for thing in context.view_layer.objects
    ):
        raise SceneError("There is nothing in the view.", action="Add or show an object.")


def _check_budget(context: bpy.types.Context, model: Model, usd: float | None) -> None:
    prefs = preferences.preferences()
    if prefs is None or usd == 0:
        return
    cost.check_budget(usd, prefs.run_limit)
    if prefs.month_limit is not None:
        current = session.session()
        spent = current.spending().month + current.reservations.total
        cost.check_month(usd, spent, prefs.month_limit)


def _check_access(context: bpy.types.Context, model: Model, usd: float | None) -> None:
    if not model.online:
        return
    try:
        if backend_info(model.backend).connects:
            known = preferences.backend_settings(properties.catalog(), model)
            own = str(model.extra.get("base_url", ""))
            found = keys.standing(connections.endpoint_name(model), known, own)
            if found is not None and found.problem is not None:
                raise found.problem
        elif not bpy.app.online_access:
            raise OnlineAccessOff()
    except OnlineAccessOff:
        raise OnlineAccessOff(f"{model.label} needs the network.", "", _how_to_allow()) from None


def _how_to_allow() -> str:
    if bpy.app.online_access_override:
        return "Blender was started without it: start it without --offline-mode."
    return "Turn on Allow Online Access in Preferences, System."
