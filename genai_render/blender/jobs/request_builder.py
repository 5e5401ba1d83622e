# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is set in the panel to a `Prepared`: made once a change, read at each redraw."""

# Blender's stubs do not know what a context always has here.
# pyright: reportOptionalMemberAccess=false, reportArgumentType=false
from __future__ import annotations

import functools
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bpy

from ...backends.self_hosted.errors import NotAnswered
from ...core.bounds import PROMPT_LIMIT
from ...core.errors import GenAIError, InvalidInput, SceneError
from ...core.framing import ASPECTS, AUTO
from ...core.models import closeness
from ...core.preflight import Prepared, prepare
from ...core.request import Reference, RenderRequest, check_prompt, prompt_length
from .. import addon, backend_settings, catalog, scene_changes, scene_description
from ..capture import viewport_frame
from ..connections import keys, server_readiness
from ..settings import choices, options, reference_store, scene_settings
from . import session

if TYPE_CHECKING:
    from ...core.models.catalog import Model
    from ...core.request import Closeness

_SURFACES = {
    *("MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD", "VOLUME"),
    *("GREASEPENCIL", "GPENCIL", "EMPTY"),
}
_NO_PROMPT_YET = "-"
_SAME_SHAPE = 0.01
_SAID = (
    *("aspect", "resolution", "count", "mode", "closeness", "enhance", "parent", "use_canvas"),
)


class Preparation:
    """What was prepared last, and for which settings.

    built: how many requests were put together so far.
    """

    def __init__(self) -> None:
        self.built = 0
        self._settings: tuple[Any, ...] = ()
        self._of_settings: Prepared | None = None
        self._situation: tuple[Any, ...] = ()
        self._prepared: Prepared | None = None
        self._surfaces: tuple[tuple[Any, ...], bool] | None = None
        self._access: tuple[tuple[Any, ...], float, GenAIError | None] | None = None

    def prepared(self, context: bpy.types.Context) -> Prepared:
        is_set = what_is_set(context)
        if self._of_settings is None or is_set != self._settings:
            self.built += 1
            self._of_settings = _prepare(context)
            self._settings, self._situation = is_set, ()
        situation = self._look_around(context, self._of_settings)
        if self._prepared is None or situation != self._situation:
            self._situation = situation
            self._prepared = self._of_settings.but(lambda known: _check(context, known, situation))
        return self._prepared

    def _look_around(self, context: bpy.types.Context, known: Prepared) -> tuple[Any, ...]:
        """Everything outside the settings that decides whether it can be sent."""
        if known.problem is not None:
            _servers_problem(known)  # their answer is there once that is put right
            return (known.problem.text,)
        view_problem = ""
        if scene_settings.settings(context).use_canvas:
            if viewport_frame.find_view(context) is None:
                view_problem = "no view"
            elif not self._anything_to_see(context):
                view_problem = "nothing in it"
        limits = session.limits()
        spent = 0.0
        if limits.month is not None and known.estimate.usd != 0:
            current = session.session()
            spent = round(current.spending().month + current.gate.coming, 6)
        access = self._access_problem(known)
        servers = _servers_problem(known) if access is None else None
        return view_problem, limits, spent, access or servers

    def _anything_to_see(self, context: bpy.types.Context) -> bool:
        layer = context.view_layer
        key = (scene_changes.count(), context.scene.as_pointer(), layer.as_pointer())
        if self._surfaces is None or self._surfaces[0] != key:
            anything = any(
                thing.type in _SURFACES and thing.visible_get() for thing in layer.objects
            )
            self._surfaces = key, anything
        return self._surfaces[1]

    def _access_problem(self, known: Prepared) -> GenAIError | None:
        """Why the model cannot be reached: the same object as long as nothing has changed."""
        if known.model is None:
            return None
        online, changes = bpy.app.online_access, keys.changes()
        decides = (catalog.revision(), known.model.id, online, changes)
        now = time.monotonic()
        if self._access is None or self._access[0] != decides or now > self._access[1]:
            self._access = decides, now + keys.FRESH_SECONDS, _why_no_access(known.model)
        return self._access[2]

    def close(self) -> None:
        pass


def prepared(context: bpy.types.Context) -> Prepared:
    """What pressing Generate would do now. Cheap: what has not changed is not done again."""
    return addon.state(Preparation).prepared(context)


def for_request(request: RenderRequest) -> Prepared:
    """What sending an earlier request again would do. Raises NotFound for a model that is gone."""
    model = catalog.catalog().model(request.model)
    return prepare(model, lambda: request, seen=session.correction(model.id).ratio)


def wider(item_id: str, aspect: str) -> Prepared:
    """What making an image again would do, whose view is captured again in another shape.

    Raises NotFound for an item or a model that is gone, InvalidInput for an image without a view.
    """
    request = session.session().store.request(item_id)
    if request.kind != "render" or request.canvas is None:
        raise InvalidInput(
            "This image was not made from a view of the scene.",
            action="Continue it at its edges instead.",
        )
    model = catalog.catalog().model(request.model)
    own = request.canvas.view.aspect
    if abs(ASPECTS[aspect] / own - 1) < _SAME_SHAPE:
        raise InvalidInput(
            f"The image has the shape {aspect} already.", action="Choose another one."
        )

    def build() -> RenderRequest:
        return request.with_(canvas=None, aspect=aspect, parent=item_id, count=1, width=0, height=0)

    prepared = prepare(model, build, own, session.correction(model.id).ratio)
    return prepared.but(_check_servers)


def prompt_of(settings: Any) -> str:
    """The prompt that counts: the text's, if one is chosen, else the field's."""
    text = settings.prompt_text
    return text.as_string() if text is not None else settings.prompt


def prompt_count(settings: Any) -> str:
    """For people: "123/2000"."""
    return f"{prompt_length(prompt_of(settings).strip())}/{PROMPT_LIMIT}"


def chosen_references(settings: Any) -> tuple[Reference, ...]:
    """The pictures in the slots. Raises NotFound for one that is not on this computer."""
    return tuple(_reference(slot) for slot in scene_settings.references(settings) if slot.digest)


def what_is_set(context: bpy.types.Context) -> tuple[Any, ...]:
    """Everything that the request is made from: equal as long as it would be the same."""
    settings = scene_settings.settings(context)
    model = choices.known_model(settings)
    return (
        catalog.revision(),
        choices.MODEL.id_of(settings),
        choices.STYLE.id_of(settings),
        prompt_of(settings),
        tuple(getattr(settings, name) for name in _SAID),
        1.0 if model is None else session.correction(model.id).ratio,
        settings.seed if settings.use_seed else None,
        tuple(
            (slot.digest, slot.file_name, slot.role, slot.weight)
            for slot in scene_settings.references(settings)
        ),
        () if model is None else tuple(options.option_values(context.scene, model).items()),
        _frame_aspect(context) if settings.use_canvas else None,
        scene_changes.count() if settings.enhance else 0,
    )


def _prepare(context: bpy.types.Context) -> Prepared:
    settings = scene_settings.settings(context)
    # Without any viewport, there is no shape to ask for; that it is missing is said then.
    aspect = (_frame_aspect(context) or 1.0) if settings.use_canvas else None
    return _prepare_with(context, aspect, settings.aspect, settings.count)


def for_render(context: bpy.types.Context, aspect: float) -> Prepared:
    """One picture with the panel's settings, in the shape of the frame that is rendered."""
    return _prepare_with(context, aspect, AUTO, 1)


def with_model(context: bpy.types.Context, model: Model) -> Prepared:
    """What the panel's settings would mean with another model: for what it would cost."""
    settings = scene_settings.settings(context)
    aspect = (_frame_aspect(context) or 1.0) if settings.use_canvas else None
    return _prepare_with(context, aspect, settings.aspect, settings.count, model)


def closeness_for(settings: Any, model: Model, has_canvas: bool) -> Closeness:
    """How close to the view it is asked to be, where there is a view and the model can."""
    return settings.closeness if has_canvas and not closeness.why_not(model) else "auto"


def _prepare_with(
    context: bpy.types.Context,
    canvas_aspect: float | None,
    aspect: str,
    count: int,
    model: Model | None = None,
) -> Prepared:
    settings = scene_settings.settings(context)
    try:
        model = model or choices.chosen_model(settings)
    except GenAIError as error:
        return Prepared(None, None, problem=error)
    step = closeness_for(settings, model, canvas_aspect is not None)
    prompt = prompt_of(settings)
    try:
        problem = None
        check_prompt(prompt)
    except GenAIError as error:
        # What it will be and cost is shown while there is no prompt yet, too.
        problem, prompt = error, _NO_PROMPT_YET

    def build() -> RenderRequest:
        return RenderRequest(
            prompt=prompt,
            model=model.id,
            style=choices.chosen_style(settings).id,
            aspect=aspect,
            resolution=settings.resolution,
            count=count,
            seed=settings.seed if settings.use_seed else None,
            mode=settings.mode,
            references=chosen_references(settings),
            closeness=step,
            options=closeness.with_options(
                model, step, options.option_values(context.scene, model)
            ),
            enhance=settings.enhance,
            scene_text=scene_description.describe(context) if settings.enhance else "",
            parent=settings.parent,
        )

    seen = session.correction(model.id).ratio
    prepared = prepare(model, build, canvas_aspect, seen)
    return prepared if problem is None else replace(prepared, problem=problem)


def _frame_aspect(context: bpy.types.Context) -> float | None:
    """Width to height of what the viewport would send; None without a viewport."""
    view = viewport_frame.find_view(context)
    if view is None:
        return None
    aspect = viewport_frame.aspect_of(context, *view, scene_settings.settings(context).aspect)
    return round(aspect, 6)


def _check(context: bpy.types.Context, known: Prepared, situation: tuple[Any, ...]) -> None:
    if situation[0] == "no view":
        raise SceneError("There is no 3D Viewport to take the view from.", action="Open one.")
    if situation[0]:
        raise SceneError("There is nothing in the view.", action="Add or show an object.")
    if known.estimate.usd != 0 and situation[1].any:
        session.session().gate.check_cost(known)
    if situation[3] is not None:
        raise situation[3]


def _why_no_access(model: Model) -> GenAIError | None:
    try:
        backend_settings.check_access(catalog.catalog(), model, wait=False)
    except GenAIError as error:
        return error.with_traceback(None)
    return None


def _servers_problem(known: Prepared) -> GenAIError | None:
    """What the user's own servers lack for it, as far as they have said so."""
    if known.model is None or known.request is None:
        return None
    canvas_comes = known.canvas_size is not None
    try:
        return server_readiness.problem(known.model, known.request, canvas_comes)
    except GenAIError as error:
        return error.with_traceback(None)


def _check_servers(known: Prepared) -> None:
    """As far as they have answered: a dialog is not drawn again when they do."""
    problem = _servers_problem(known)
    if problem is not None and not isinstance(problem, NotAnswered):
        raise problem


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
