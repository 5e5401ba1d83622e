# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions on a finished picture: enlarge it, cut it out, put it elsewhere, light it again."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false, reportInvalidTypeForm=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    StringProperty,
)

from ...backends import action_requests
from ...core.errors import GenAIError, InvalidInput
from ...core.masks import mask_shape
from .. import addon, catalog
from ..jobs import edit_masks, generating, history_page, request_builder, session
from ..panels.wrapping import wrapped
from ..settings import choices, scene_settings, window_state
from ..translation import CONTEXT, translated
from .reporting import ItemOperator, draw_facts

if TYPE_CHECKING:
    from ...backends.action_requests import Wish
    from ...core.preflight import Prepared

_WIDTH = 420
_ACTIONS = (
    ("upscale", "Upscale", "Make the image two or four times as long and wide"),
    ("cutout", "Remove Background", "Make what is behind the subject transparent"),
    ("background", "Change Background", "Put something else behind the subject"),
    ("reframe", "Reframe", "Give the image another shape, with more around it"),
    ("relight", "Relight", "Put the image under another sun"),
    (
        "swap-subject",
        "Swap Subject",
        "Put what the first reference shows in the place of the image's subject",
    ),
    ("swap-face", "Swap Face", "Give the person in the image the face of the first reference"),
    (
        "material",
        "Change Material",
        "Make an object in the image of another material, by words or by the first reference",
    ),
)
_BY_MODEL_ONLY = ("swap-subject", "swap-face")
_REFERRING = (*_BY_MODEL_ONLY, "material")
_ASPECTS = tuple((name, name, "") for name in ("1:1", "16:9", "4:3", "3:2", "21:9", "9:16", "3:4"))
_POSITIONS = (
    ("top-left", "Top Left", ""),
    ("top", "Top", ""),
    ("top-right", "Top Right", ""),
    ("left", "Left", ""),
    ("center", "Center", ""),
    ("right", "Right", ""),
    ("bottom-left", "Bottom Left", ""),
    ("bottom", "Bottom", ""),
    ("bottom-right", "Bottom Right", ""),
)
_DEPTH = ("distance", "floor")
_LIGHT = ("azimuth", "elevation", "sun", "warmth", "sky", "lamps", "new_sky")
_SET = (
    *("by", "times", "method", "words", "behind", "color", "color_below", *_DEPTH),
    *("aspect", "position", "from_scene", *_LIGHT, "day", "part", "part_name"),
)


def _names(self: Any, context: bpy.types.Context, typed: str) -> list[str]:
    # self has the properties only. They are of the dialog that is open.
    return edit_masks.of(self.id or window_state.window(context).selected).names("OBJECT")


class GENAI_RENDER_OT_picture_action(ItemOperator):
    """Make another image from this one, and keep both in History"""

    bl_idname = "genai_render.picture_action"
    bl_label = "Image Action"
    bl_options = {"REGISTER"}

    action: EnumProperty(name="Action", items=_ACTIONS, options={"SKIP_SAVE"})
    by: EnumProperty(
        name="With",
        items=(
            ("OFFLINE", "This Computer", "Without a network, for free"),
            ("MODEL", "Model", "The model that is chosen in the panel"),
        ),
        description="What carries it out",
        options={"SKIP_SAVE"},  # what costs something is chosen each time
    )
    times: EnumProperty(
        name="Times Larger",
        items=(("2", "2×", ""), ("4", "4×", "")),
        description="How much longer and wider the image becomes",
    )
    method: EnumProperty(
        name="Method",
        items=(
            ("auto", "Auto", "The network, where it takes less than two minutes"),
            ("network", "Network", "A small network draws edges again"),
            ("resample", "Resample", "Done in seconds, softer"),
        ),
    )
    words: StringProperty(
        name="Prompt",
        translation_context=CONTEXT,
        description="What is to be seen there",
        maxlen=8000,
        options={"TEXTEDIT_UPDATE", "SKIP_SAVE"},
    )
    behind: EnumProperty(
        name="Behind",
        items=(
            ("color", "Color", "One color"),
            ("gradient", "Gradient", "From one color down to another"),
            ("sky", "Sky", "A sky by the words of the prompt"),
            ("image", "Reference 1", "The image in the first slot of the panel"),
        ),
        description="What is put behind the subject",
    )
    color: FloatVectorProperty(
        name="Color", subtype="COLOR_GAMMA", min=0.0, max=1.0, default=(0.84, 0.83, 0.81)
    )
    color_below: FloatVectorProperty(
        name="Color Below", subtype="COLOR_GAMMA", min=0.0, max=1.0, default=(0.56, 0.55, 0.53)
    )
    distance: FloatProperty(
        name="Background From",
        description="How far from the camera the background begins; 0 finds it: what is empty in "
        "the view, else the widest gap in its depth",
        min=0.0,
        unit="LENGTH",
        options={"SKIP_SAVE"},
    )
    floor: EnumProperty(
        name="Floor",
        items=(
            ("auto", "Auto", "Keep it where the view is empty behind it"),
            ("keep", "Keep", "Keep the ground that things stand on"),
            ("remove", "Remove", "Take it away with the background"),
        ),
        description="The ground that things stand on",
    )
    aspect: EnumProperty(name="Shape", items=_ASPECTS, default="16:9")
    position: EnumProperty(
        name="Position",
        items=_POSITIONS,
        default="center",
        description="Where in the new frame the image lies",
    )
    from_scene: BoolProperty(
        name="See More of the Scene",
        description="Capture the view again, wider, and make the image again with its settings; "
        "else it is continued at its edges",
        options={"SKIP_SAVE"},
    )
    azimuth: FloatProperty(
        name="Sun Direction",
        description="0° from behind the camera, 90° from the right, -90° from the left",
        subtype="ANGLE",
        min=-math.pi,
        max=math.pi,
        default=math.radians(-50),
    )
    elevation: FloatProperty(
        name="Sun Height",
        description="Above the horizon",
        subtype="ANGLE",
        min=0.0,
        max=math.pi / 2,
        default=math.radians(40),
    )
    sun: FloatProperty(
        name="Sun", description="How strong the sun is", min=0.0, max=3.0, default=1.0
    )
    warmth: FloatProperty(
        name="Warmth",
        description="Of the sun: orange above 0, blue below",
        min=-1.0,
        max=1.0,
    )
    sky: FloatProperty(
        name="Sky", description="How much light comes from all around", min=0.0, max=3.0, default=1
    )
    lamps: FloatProperty(
        name="Lamps",
        description="How much what glows in the image glows",
        min=0.0,
        max=3.0,
        default=1.0,
    )
    new_sky: BoolProperty(
        name="Draw the Sky",
        description="Put a sky behind that goes with the sun; else what is behind stays and is "
        "darkened with the light",
    )
    day: IntProperty(
        name="Images of a Day",
        description="So many images from morning to evening, in place of one; 0 for one",
        min=0,
        max=24,
        options={"SKIP_SAVE"},
    )

    part: EnumProperty(
        name="Change",
        translation_context=CONTEXT,
        items=(
            ("NONE", "All of It", "Any part of the image may change"),
            (
                "SELECTED",
                "Selected Objects",
                "What the image shows of the objects that are selected now",
            ),
            ("OBJECT", "Object", "What the image shows of an object"),
        ),
        description="Which part of the image may change",
        options={"SKIP_SAVE"},
    )
    part_name: StringProperty(
        name="Name",
        description="Of the object, as the image knows it",
        search=_names,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        text = next(text for name, _, text in _ACTIONS if name == properties.action)
        return translated(text, "tooltips")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        # Read once: the dialog is drawn again at every move of the mouse.
        self._picture = self._read(context)
        self._known: tuple[Any, list[Prepared]] | None = None
        edit_masks.forget()  # what is selected may be another by now
        if self.action == "material" and context.selected_objects:
            self.part = "SELECTED"
        view = history_page.made_from_view(self.item_id(context)) == self.item_id(context)
        self.from_scene = self.action == "reframe" and view and not bpy.app.background
        title = next(label for name, label, _ in _ACTIONS if name == self.action)
        return context.window_manager.invoke_props_dialog(  # pyright: ignore
            self, width=_WIDTH, title=translated(title), confirm_text=translated(title)
        )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        by_model = self._by_model(context)
        if self._model_label(context) and self.action not in _BY_MODEL_ONLY:
            row = layout.row(align=True)
            row.prop_enum(self, "by", "OFFLINE")
            row.prop_enum(self, "by", "MODEL", text=self._model_label(context))
        if self.action in _REFERRING:
            self._draw_by_reference(context, layout)
        else:
            getattr(self, f"_draw_{self.action}")(layout, by_model)
        prepared = self._prepared_for_dialog(context)
        problem = prepared[0].problem
        if problem is not None:
            wrapped(layout, context, problem.text, icon="INFO", width=_WIDTH)
            return
        first = prepared[0]
        count = len(prepared)
        draw_facts(
            layout,
            first.model.label if first.model is not None else "",
            first.spec.text if first.spec is not None else "",
            translated(f"{count} images") if count > 1 else "",
            translated(first.cost),
        )

    def _draw_upscale(self, layout: Any, by_model: bool) -> None:
        layout.row().prop(self, "times", expand=True)
        if not by_model:
            layout.prop(self, "method")

    def _draw_cutout(self, layout: Any, by_model: bool) -> None:
        if not by_model:
            for name in _DEPTH:
                layout.prop(self, name)

    def _draw_background(self, layout: Any, by_model: bool) -> None:
        if not by_model:
            layout.prop(self, "behind")
        if by_model or self.behind == "sky":
            row = layout.row()
            row.activate_init = True
            row.prop(self, "words", text="", placeholder="What is to be behind?")
        elif self.behind in ("color", "gradient"):
            layout.prop(self, "color")
            if self.behind == "gradient":
                layout.prop(self, "color_below")
        for name in _DEPTH:
            layout.prop(self, name)

    def _draw_reframe(self, layout: Any, by_model: bool) -> None:
        layout.prop(self, "aspect")
        split = layout.split(factor=0.4)
        label = split.row()
        label.alignment = "RIGHT"
        label.label(text="Position")
        grid = split.column(align=True)
        for start in (0, 3, 6):
            row = grid.row(align=True)
            for name, _, _ in _POSITIONS[start : start + 3]:
                icon = "RADIOBUT_ON" if name == self.position else "RADIOBUT_OFF"
                row.prop_enum(self, "position", name, text="", icon=icon)
        layout.prop(self, "from_scene")
        if by_model and not self.from_scene:
            layout.prop(self, "words", text="", placeholder="What lies beyond its edges?")

    def _draw_relight(self, layout: Any, by_model: bool) -> None:
        layout.prop(self, "day")
        if not self.day:
            for name in ("azimuth", "elevation", "sun", "warmth", "sky"):
                layout.prop(self, name, slider=True)
        layout.prop(self, "lamps", slider=True)
        layout.prop(self, "new_sky")

    def _draw_by_reference(self, context: bpy.types.Context, layout: Any) -> None:
        from ...core.actions import CONSENT

        row = layout.row()
        row.activate_init = True
        material = self.action == "material"
        hint = "Which material?" if material else "Anything else?"
        row.prop(self, "words", text="", placeholder=hint)
        slots = scene_settings.references(scene_settings.settings(context))
        first = next((slot.file_name for slot in slots if slot.digest), "")
        split = layout.split(factor=0.4)
        label = split.row()
        label.alignment = "RIGHT"
        label.label(text="Reference 1")
        split.label(text=first or translated("None"), icon="IMAGE_REFERENCE", translate=False)
        if self.action != "swap-face":
            layout.prop(self, "part")
            if self.part == "OBJECT":
                layout.prop(self, "part_name")
        prefs = addon.preferences()
        if self.action == "swap-face" and (prefs is None or not prefs.knows_consent):
            wrapped(layout, context, CONSENT, icon="INFO", width=_WIDTH)

    def act(self, context: bpy.types.Context) -> set[str]:
        if not getattr(self, "_picture", None):
            self._picture = self._read(context)
        if self._sees_more():
            generating.generate_wider(context, self.item_id(context), self.aspect, self._position())
            return {"FINISHED"}
        for prepared in self._prepare(context):
            generating.submit(context, prepared)
        prefs = addon.preferences()
        if self.action == "swap-face" and prefs is not None and not bpy.app.background:
            prefs.knows_consent = True
        return {"FINISHED"}

    def _read(self, context: bpy.types.Context) -> "action_requests.Picture":
        item = self.item(context)
        return action_requests.from_history(
            session.session().store, item.id, action_requests.needs_canvas(self.action)
        )

    def _sees_more(self) -> bool:
        return self.action == "reframe" and self.from_scene

    def _position(self) -> tuple[float, float]:
        from ...core.actions import POSITIONS

        return POSITIONS[self.position]

    def _by_model(self, context: bpy.types.Context) -> bool:
        by_model = self.by == "MODEL" or self.action in _BY_MODEL_ONLY
        return by_model and bool(self._model_label(context))

    def _model_label(self, context: bpy.types.Context) -> str:
        """Of the panel's model, where that can carry the action out."""
        from ...core.actions import check_model

        try:
            model = choices.chosen_model(scene_settings.settings(context))
            check_model(self.action, model)
        except GenAIError:
            return ""
        return "" if model.backend == "offline" else model.label

    def _prepared_for_dialog(self, context: bpy.types.Context) -> "list[Prepared]":
        """Put together again only when something was changed in the dialog."""
        model = scene_settings.settings(context).model
        said = (model, *(_plain(getattr(self, name)) for name in _SET))
        if self._known is None or self._known[0] != said:
            self._known = said, self._prepare(context)
        return self._known[1]

    def _prepare(self, context: bpy.types.Context) -> "list[Prepared]":
        from ...core.actions import offline_model
        from ...core.preflight import Prepared

        try:
            if self._sees_more():
                item_id = self.item_id(context)
                return [request_builder.wider(item_id, self.aspect)]
            if self._by_model(context) or self.action in _BY_MODEL_ONLY:
                model = choices.chosen_model(scene_settings.settings(context))
            else:
                model = catalog.catalog().model(offline_model(self.action))
            wish = self._wish(context)
        except GenAIError as error:
            return [Prepared(None, None, problem=error)]
        return action_requests.prepared(
            wish, model, self._picture, lambda id: session.correction(id).ratio
        )

    def _wish(self, context: bpy.types.Context) -> "Wish":
        image = None
        if self.action == "background" and self.behind == "image":
            slots = request_builder.chosen_references(scene_settings.settings(context))
            if not slots:
                raise InvalidInput(
                    "There is no image in the panel's first slot.", action="Add a reference."
                )
            image = slots[0]
        if self.action in _REFERRING:
            return self._wish_by_reference(context)
        light = {name: getattr(self, name) for name in _LIGHT}
        light["azimuth"] = math.degrees(self.azimuth)
        light["elevation"] = math.degrees(self.elevation)
        return action_requests.Wish(
            self.action,
            words=self.words,
            times=int(self.times),
            method=self.method,
            behind=self.behind,
            color=_hex(self.color),
            color_below=_hex(self.color_below),
            image=image,
            distance=self.distance * context.scene.unit_settings.scale_length,
            floor=self.floor,
            aspect=self.aspect,
            position=self.position,
            light=tuple(light.items()),
            day=self.day,
        )

    def _wish_by_reference(self, context: bpy.types.Context) -> "Wish":
        from ...core.actions import REFERRING

        slots = request_builder.chosen_references(scene_settings.settings(context))
        image = replace(slots[0], role=REFERRING[self.action]) if slots else None
        names: tuple[str, ...] = ()
        if self.part == "SELECTED":
            names = tuple(sorted(thing.name for thing in context.selected_objects))
        elif self.part == "OBJECT":
            names = (self.part_name,)
        masks = edit_masks.of(self.item_id(context))
        chosen = edit_masks.Chosen(self.part, "", names, mask_shape.Shaping(False, 0, 0.0))
        mask = masks.mask(self._picture.data, chosen)
        if mask is not None:  # a camera that is selected, too, is not meant
            names = tuple(name for name in names if name in masks.names("OBJECT"))
        return action_requests.Wish(
            self.action, words=self.words, image=image, mask=mask, what=names
        )


def _hex(color: Any) -> str:
    return "#" + "".join(f"{round(min(max(part, 0.0), 1.0) * 255):02x}" for part in color)


def _plain(value: Any) -> Any:
    """What can be compared: a color is an object of Blender's."""
    return tuple(value) if not isinstance(value, (str, bool, int, float)) else value


_CLASSES = (GENAI_RENDER_OT_picture_action,)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
