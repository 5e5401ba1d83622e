# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the selected image from another camera, with only what it did not see made anew."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from typing import TYPE_CHECKING, Any, Literal

import bpy

from ...core.errors import GenAIError, SceneError
from ..jobs import generating, session, view_series
from ..settings import choices, scene_settings
from ..translation import translated
from .reporting import ItemOperator, shows_a_view

if TYPE_CHECKING:
    from ...core.next_camera import Accepted
    from ...core.preflight import Prepared
    from ..capture import CaptureSpec

_WIDTH = 380
_VIEW, _ALL, _TURNTABLE, _ONE = "VIEW", "ALL", "TURNTABLE", "CAMERA "

_offered: list[tuple[str, str, str]] = []  # Blender does not keep the texts of a list of choices


def _targets(_operator: Any, context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    scene = bpy.context.scene if context is None else context.scene
    cameras = sorted(thing.name for thing in scene.objects if thing.type == "CAMERA")
    _offered[:] = [
        *((_ONE + name, name, "Through this camera") for name in cameras),
        (_ALL, "All Other Cameras", "Through every camera but the one that the image is from"),
        (_VIEW, "This Viewport", "From where the 3D Viewport looks now"),
        (_TURNTABLE, "Turntable", "All the way around what is selected, or around the scene"),
    ]
    return _offered


class GENAI_RENDER_OT_next_camera(ItemOperator):
    """Show the image from another camera of the scene in the same look: what it shows is carried \
over, and only what it does not show is made, by the model of the panel"""

    bl_idname = "genai_render.next_camera"
    bl_label = "Same Look, Next Camera"
    bl_options = {"REGISTER"}

    target: bpy.props.EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Seen From",
        description="Where the image is to be seen from",
        items=_targets,
        options={"SKIP_SAVE"},
    )
    views: bpy.props.IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Views",
        description="All the way around; the image itself is the first of them",
        default=8,
        min=2,
        soft_max=24,
        max=72,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return shows_a_view(cls, context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        from ...core import next_camera

        try:  # read once: the dialog is drawn again at every move of the mouse
            self._accepted = next_camera.load(session.session().store, self.item(context).id)
        except GenAIError as error:
            self.report({"ERROR"}, translated(error.text, "reports"))
            return {"CANCELLED"}
        self._known: tuple[str, Prepared] | None = None
        own = self._accepted.canvas.view.camera
        others = [one[0] for one in _targets(self, context) if one[0].startswith(_ONE)]
        self.target = next((one for one in others if one != _ONE + own), _VIEW)
        return context.window_manager.invoke_props_dialog(  # pyright: ignore
            self, width=_WIDTH, confirm_text="Make"
        )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "target")
        if self.target == _TURNTABLE:
            layout.prop(self, "views")
        facts = layout.row()
        facts.active = False
        prepared = self._prepared_for_dialog(context)
        if prepared.problem is not None:
            facts.label(text=translated(prepared.problem.text), translate=False, icon="INFO")
            return
        label = "" if prepared.model is None else prepared.model.label
        count = self._count(context)
        cost = translated(prepared.cost)
        text = f"{count} × {label}, {cost}" if count > 1 else f"{label}, {cost}"
        facts.label(text=text, translate=False)

    def _prepared_for_dialog(self, context: bpy.types.Context) -> "Prepared":
        """Put together again only when another model was chosen: a mask is encoded for it."""
        self._known = prepared_for_model(context, self._accepted, self._known)
        return self._known[1]

    def _count(self, context: bpy.types.Context) -> int:
        if self.target == _TURNTABLE:
            return self.views - 1
        return len(self._cameras(context)) if self.target == _ALL else 1

    def _cameras(self, context: bpy.types.Context) -> list[str]:
        own = self._accepted.canvas.view.camera
        names = [thing.name for thing in context.scene.objects if thing.type == "CAMERA"]
        return [name for name in sorted(names) if name != own]

    def act(self, context: bpy.types.Context) -> set[str]:
        from ...core import next_camera

        accepted = getattr(self, "_accepted", None)
        if accepted is None:
            accepted = next_camera.load(session.session().store, self.item(context).id)
            self._accepted = accepted
        prepared = _prepared(context, accepted)
        views = self._views(context, accepted)
        view_series.view_series().start(
            context, accepted, prepared, views, place=generating.place_of(context)
        )
        return {"FINISHED"}

    def _views(self, context: bpy.types.Context, accepted: "Accepted") -> "list[CaptureSpec]":
        """Each view that is meant. Raises SceneError."""
        from ...core import next_camera
        from ...core.image import images
        from ..capture import CaptureSpec, scene_bounds

        size = images.probe(accepted.image)
        if self.target == _VIEW:
            return [CaptureSpec(size.width, size.height, source="viewport")]

        def seen(**where: Any) -> CaptureSpec:
            return CaptureSpec(
                size.width, size.height, source=_source(), mode=accepted.request.mode, **where
            )

        if self.target == _TURNTABLE:
            chosen = [thing for thing in context.selected_objects if thing.type != "CAMERA"]
            center = scene_bounds.center(context, chosen)
            around = next_camera.around(accepted.canvas.view, center, self.views)
            return [seen(view=view) for view in around]
        names = [self.target.removeprefix(_ONE)]
        if self.target == _ALL:
            names = self._cameras(context)
        if not names:
            raise SceneError("The scene has no other camera.", action="Add one.")
        return [seen(camera=name) for name in names]


def _source() -> "Literal['passes', 'viewport']":
    """As a viewport shows it where there is one; else rendered."""
    return "passes" if bpy.app.background else "viewport"


def _prepared(context: bpy.types.Context, accepted: "Accepted") -> "Prepared":
    from ...core import next_camera, preflight

    try:
        model = choices.chosen_model(scene_settings.settings(context))
    except GenAIError as error:
        return preflight.Prepared(None, None, problem=error)
    return preflight.prepare(
        model,
        lambda: next_camera.planned(accepted, model),
        seen=session.correction(model.id).ratio,
    )


def prepared_for_model(
    context: bpy.types.Context, accepted: "Accepted", known: "tuple[str, Prepared] | None"
) -> "tuple[str, Prepared]":
    """What one more view would be and cost, with the model that it is for. known: the last one."""
    model = choices.MODEL.id_of(scene_settings.settings(context))
    if known is None or known[0] != model:
        return model, _prepared(context, accepted)
    return known


_CLASSES = (GENAI_RENDER_OT_next_camera,)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
