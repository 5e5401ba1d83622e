# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture sent on: a clip or a 3D model of it, and what is done with one that is there."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false, reportInvalidTypeForm=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
import subprocess
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ...core.errors import GenAIError, InvalidInput
from ..jobs import session
from ..panels.wrapping import wrapped
from ..settings import scene_settings
from ..translation import CONTEXT, translated
from .reporting import ItemOperator, draw_facts, undo_step
from .results import sensible_name

if TYPE_CHECKING:
    from ...core.models.catalog import Model
    from ...core.preflight import Prepared

_WIDTH = 420
_ACTIONS = (
    ("video", "Image to Video", "Let the image move, with it as the first frame"),
    ("model", "Image to 3D", "Make a 3D model of what the image shows"),
    ("play", "Play Clip", "Play the clip"),
    ("strip", "Add to Sequencer", "Put the clip into the sequencer at the current frame"),
    ("import", "Add to Scene", "Bring the 3D model into the scene, at the 3D cursor"),
)
_ASPECTS = tuple(
    (name, label, "")
    for name, label in (
        *(("auto", "As the Image"), ("16:9", "16:9"), ("9:16", "9:16")),
        *(("1:1", "1:1"), ("4:3", "4:3"), ("3:4", "3:4"), ("21:9", "21:9")),
    )
)
_SET = ("send_model", "words", "duration", "resolution", "aspect", "end", "texture")


class _Items:
    """The choices of the dialog: Blender does not keep the texts of a list that is made anew."""

    def __init__(self) -> None:
        self._kept: dict[Any, list[tuple[str, str, str]]] = {}

    def models(self, operator: Any, _context: Any) -> list[tuple[str, str, str]]:
        from .. import catalog

        kind = "model" if operator.action == "model" else "video"
        found = [
            (one.id, one.label, one.description)
            for one in catalog.catalog().making(kind)
            if not one.extra.get("control")  # their clip is made on the command line
        ]
        return self._same(("models", kind, tuple(found)), found)

    def of_option(self, operator: Any, name: str) -> list[tuple[str, str, str]]:
        model = _model_of(operator)
        if model is None or not model.has_option(name):
            return self._same((name,), [("-", "—", "")])
        said = [
            (one, f"{one} s" if name == "duration" else one, "") for one in _choices(model, name)
        ]
        return self._same((name, tuple(said)), said)

    def _same(self, key: Any, items: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        return self._kept.setdefault(key, items)


def _model_of(operator: Any) -> "Model | None":
    """Of the operator, or of what Blender gives to a list's function in its place."""
    from .. import catalog

    return catalog.catalog().media.get(operator.send_model)


def _choices(model: "Model", name: str) -> list[str]:
    """Its default first: that is what a list of changing choices begins with."""
    option = model.option(name)
    return [str(option.default), *(one for one in option.choices if one != option.default)]


_items = _Items()


class GENAI_RENDER_OT_send_on(ItemOperator):
    """Make a clip or a 3D model of the image, and use one that was made"""

    bl_idname = "genai_render.send_on"
    bl_label = "Send Image On"
    # Not "UNDO": with that a change in the panel of the last action would send, and pay, again.
    bl_options = {"REGISTER"}

    action: EnumProperty(name="Action", items=_ACTIONS, options={"SKIP_SAVE"})
    send_model: EnumProperty(
        name="Model",
        items=lambda self, context: _items.models(self, context),
        description="What makes it",
        options={"SKIP_SAVE"},
    )
    words: StringProperty(
        name="Prompt",
        translation_context=CONTEXT,
        description="How it moves",
        maxlen=8000,
        options={"TEXTEDIT_UPDATE", "SKIP_SAVE"},
    )
    duration: EnumProperty(
        name="Duration",
        items=lambda self, context: _items.of_option(self, "duration"),
        description="Seconds that the clip runs",
        options={"SKIP_SAVE"},
    )
    resolution: EnumProperty(
        name="Resolution",
        items=lambda self, context: _items.of_option(self, "resolution"),
        options={"SKIP_SAVE"},
    )
    aspect: EnumProperty(name="Shape", items=_ASPECTS, default="auto", options={"SKIP_SAVE"})
    end: BoolProperty(
        name="End with Reference 1",
        description="The image in the first slot of the panel is the last frame",
        options={"SKIP_SAVE"},
    )
    texture: BoolProperty(
        name="Texture",
        description="With the colors of the image",
        default=True,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        text = next(text for name, _, text in _ACTIONS if name == properties.action)
        return translated(text, "tooltips")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        if self.action not in ("video", "model"):
            return self.execute(context)
        # Read once: the dialog is drawn again at every move of the mouse.
        self._picture = self._read(context)
        self._known: tuple[Any, Prepared] | None = None
        title = next(label for name, label, _ in _ACTIONS if name == self.action)
        return context.window_manager.invoke_props_dialog(  # pyright: ignore
            self, width=_WIDTH, title=translated(title), confirm_text=translated(title)
        )

    def draw(self, context: bpy.types.Context) -> None:
        layout, model = self.layout, _model_of(self)
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "send_model")
        if self.action == "video":
            row = layout.row()
            row.activate_init = True
            row.prop(self, "words", text="", placeholder="How does it move?")
        for name in ("duration", "resolution"):
            if model is not None and model.has_option(name):
                layout.row().prop(self, name, expand=len(model.option(name).choices) < 5)
        if model is not None and model.extra.get("aspects"):
            layout.prop(self, "aspect")
        if model is not None and model.extra.get("end"):
            layout.prop(self, "end")
        if model is not None and _texture_option(model):
            layout.prop(self, "texture")
        prepared = self._prepared_for_dialog(context)
        if prepared.problem is not None:
            wrapped(layout, context, prepared.problem.text, icon="INFO", width=_WIDTH)
            return
        for text in prepared.notices:
            wrapped(layout, context, text, icon="INFO", width=_WIDTH)
        draw_facts(
            layout,
            prepared.spec.text if prepared.spec is not None and self.action == "video" else "",
            translated(prepared.cost),
        )

    def act(self, context: bpy.types.Context) -> set[str]:
        if self.action in ("video", "model"):
            if not getattr(self, "_picture", None):
                self._picture = self._read(context)
            prepared = self._prepare(context)
            # No place: the first frame would lie over the view, and there is nothing new in it.
            session.session().submit(prepared, None, said=prepared.notices)
            return {"FINISHED"}
        item = self.item(context)
        path = item.media_path
        if path is None:
            raise InvalidInput(
                "There is no clip and no 3D model of this image.",
                action="Select one in History, or make one.",
            )
        name = sensible_name(item)
        if self.action == "play":
            return _play(path)
        if self.action == "strip":
            from ...core.history import kept_media
            from ..sending import strips

            sound = kept_media.load(session.session().store, item.id).sound
            scene = strips.sequencer_scene(context)
            movie = strips.add(scene, path, name, sound is not False)[0]
            undo_step("Add to Sequencer")
            text = f'"{name}" is in the sequencer, at frame {scene.frame_current}'
            self.report({"INFO"}, translated(text, "reports"))
            pace = strips.pace(scene, movie)
            if pace:
                self.report({"WARNING"}, translated(pace, "reports"))
            return {"FINISHED"}
        from ..sending import models

        collection = models.add(context, path, name)
        undo_step("Add to Scene")
        text = f'"{collection.name}" is at the 3D cursor'
        self.report({"INFO"}, translated(text, "reports"))
        return {"FINISHED"}

    def _read(self, context: bpy.types.Context) -> Any:
        from ...backends import action_requests

        store = session.session().store
        return action_requests.from_history(store, self.item(context).id, with_canvas=False)

    def _prepared_for_dialog(self, context: bpy.types.Context) -> "Prepared":
        """Put together again only when something was changed in the dialog."""
        said = tuple(getattr(self, name) for name in _SET)
        if self._known is None or self._known[0] != said:
            self._known = said, self._prepare(context)
        return self._known[1]

    def _prepare(self, context: bpy.types.Context) -> "Prepared":
        from ...backends import send_on
        from ...core.preflight import Prepared
        from .. import catalog

        try:
            kind = "model" if self.action == "model" else "video"
            model = send_on.model_of(catalog.catalog(), kind, self.send_model)
            wish = send_on.Wish(
                kind,
                words=self.words,
                aspect=self.aspect,
                end=self._end(context) if kind == "video" and self.end else None,
                options=self._options(model),
            )
        except GenAIError as error:
            return Prepared(None, None, problem=error)
        prepared = send_on.prepared(wish, model, self._picture, session.correction(model.id).ratio)
        return prepared.but(session.session().gate.check)

    def _options(self, model: "Model") -> dict[str, Any]:
        options: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("duration", "resolution")
            if model.has_option(name) and getattr(self, name) in model.option(name).choices
        }
        texture = _texture_option(model)
        if texture:
            options[texture] = self.texture
        return options

    def _end(self, context: bpy.types.Context) -> Any:
        from ..jobs import request_builder

        slots = request_builder.chosen_references(scene_settings.settings(context))
        if not slots:
            raise InvalidInput(
                "There is no image in the panel's first slot.", action="Add a reference."
            )
        return slots[0]


def _texture_option(model: "Model") -> str:
    """Its option that is on for a texture; "" for none."""
    named = (one for one in ("textured_mesh", "texture") if model.has_option(one))
    return next(named, "")


def _play(path: Any) -> set[str]:
    """With the system's own player; where it has none, with Blender's."""
    import shutil
    import sys

    if sys.platform.startswith("linux") and shutil.which("xdg-open") is None:
        subprocess.Popen([bpy.app.binary_path, "-a", str(path)], close_fds=True)
        return {"FINISHED"}
    return bpy.ops.wm.path_open(filepath=str(path))  # pyright: ignore[reportReturnType]


_CLASSES = (GENAI_RENDER_OT_send_on,)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
