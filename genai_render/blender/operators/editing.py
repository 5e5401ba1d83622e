# SPDX-License-Identifier: GPL-3.0-or-later
"""Change an image by words, all of it or within a mask."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from typing import TYPE_CHECKING, Any

import bpy

from ...core import preflight, request
from ...core.errors import GenAIError, NotFound
from ...core.image import images
from ...core.masks import mask_shape
from ..jobs import annotated, edit_masks, generating, request_builder, session
from ..panels.wrapping import wrapped
from ..settings import choices, options, scene_settings, window_state
from ..translation import CONTEXT, translated
from .reporting import ItemOperator, draw_facts

if TYPE_CHECKING:
    from ...core.masks.markup import Marks
    from ...core.preflight import Prepared
    from ...core.request import RenderRequest
    from ...core.view.canvas import Canvas
    from ..jobs.edit_masks import Chosen
_WIDTH = 480
_NAMED = ("OBJECT", "COLLECTION", "MATERIAL")
_FROM = (
    ("NONE", "All of It", "Any part of the image may change", "IMAGE_BACKGROUND", 0),
    ("IMAGE", "Image or Painted", "An image of this file is the mask", "IMAGE_DATA", 1),
    (
        "SELECTED",
        "Selected Objects",
        "What the image shows of the objects that are selected now",
        "RESTRICT_SELECT_OFF",
        2,
    ),
    ("OBJECT", "Object", "What the image shows of an object", "OBJECT_DATA", 3),
    (
        "COLLECTION",
        "Collection",
        "What the image shows of the objects in a collection",
        "OUTLINER_COLLECTION",
        4,
    ),
    ("MATERIAL", "Material", "What the image shows of a material", "MATERIAL", 5),
    (
        "MARKS",
        "As Annotated",
        "What is drawn with Annotate, over the view of the image or on it in an Image Editor, "
        "shows the model what to do where",
        "OUTLINER_DATA_GREASEPENCIL",
        6,
    ),
)


def _names(self: Any, context: bpy.types.Context, typed: str) -> list[str]:
    # self has the properties only. They are of the dialog that is open.
    masks = edit_masks.of(self.id or window_state.window(context).selected)
    return masks.names(self.mask_from)


class GENAI_RENDER_OT_edit(ItemOperator):
    """Change the image as a prompt says, with the model, style and references of the panel"""

    bl_idname = "genai_render.edit"
    bl_label = "Edit Image"
    bl_options = {"REGISTER"}

    prompt: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Prompt",
        translation_context=CONTEXT,
        description="What to change",
        maxlen=8000,
        options={"TEXTEDIT_UPDATE"},
    )
    mask_from: bpy.props.EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Change",
        translation_context=CONTEXT,
        description="Which part of the image may change",
        items=_FROM,
        options={"SKIP_SAVE"},
    )
    mask_name: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Name",
        description="Of the object, the collection or the material, as the image knows it",
        options={"SKIP_SAVE"},
        search=_names,
    )
    recapture: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Look at View Again",
        description="See in the scene as it is now where the objects are, for an image that was "
        "kept without them",
        options={"SKIP_SAVE"},
    )
    mask: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Mask",
        description="An image of this file: what is white in it is changed, what is black stays. "
        "In one with transparency, what is transparent is changed",
        options={"SKIP_SAVE"},
    )
    invert: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Invert",
        description="Change what the mask leaves, and leave what it changes",
        options={"SKIP_SAVE"},
    )
    grow: bpy.props.IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Grow",
        description="Make the part that is changed larger by so many pixels, smaller below 0",
        soft_min=-64,
        soft_max=64,
        subtype="PIXEL",
        options={"SKIP_SAVE"},
    )
    feather: bpy.props.FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Feather",
        description="Over how many pixels the change fades at the edge of the mask",
        min=0.0,
        soft_max=64.0,
        subtype="PIXEL",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        # Read once: the dialog is drawn again at every move of the mouse.
        self._source = session.session().store.image(self.item(context).id)
        self._known: tuple[Any, Prepared] | None = None
        edit_masks.forget()  # what is painted in an image, or selected, may be another by now
        painted = edit_masks.painted_for(self.item_id(context))
        if painted is not None and not self.mask:
            self.mask_from, self.mask = "IMAGE", painted.name
        return context.window_manager.invoke_props_dialog(  # pyright: ignore
            self, width=_WIDTH, confirm_text="Edit"
        )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        row = layout.row()
        row.activate_init = True
        row.prop(self, "prompt", text="", placeholder="What do you want to change?")
        self._draw_mask(context, layout)
        chosen = self._chosen(context)
        if chosen.kind not in ("NONE", "MARKS"):
            row = layout.row(align=True)
            row.prop(self, "invert", toggle=True)
            row.prop(self, "grow")
            row.prop(self, "feather")
        prepared = self._prepared_for_dialog(context)
        if self.mask_from == "MARKS" and prepared.request is not None:
            for line in prepared.request.prompt.splitlines():
                if line not in self.prompt:  # what the markers ask for, each by its number
                    wrapped(layout, context, line, icon="DOT", width=_WIDTH)
        problem = prepared.problem
        if problem is not None and (self.prompt.strip() or isinstance(problem, NotFound)):
            wrapped(layout, context, problem.text, icon="INFO", width=_WIDTH)
        style = choices.known_style(scene_settings.settings(context))
        draw_facts(
            layout,
            prepared.model.label if prepared.model is not None else "",
            translated(style.label) if style is not None else "",
            translated(prepared.cost),
        )

    def _draw_mask(self, context: bpy.types.Context, layout: Any) -> None:
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(self, "mask_from")
        if self.mask_from == "IMAGE":
            column.prop_search(self, "mask", bpy.data, "images", icon="IMAGE_DATA")
        elif self.mask_from in _NAMED:
            column.prop(self, "mask_name")
        by_name = self.mask_from in ("SELECTED", *_NAMED)
        if by_name and edit_masks.of(self.item_id(context)).is_old:
            column.prop(self, "recapture")

    def _prepared_for_dialog(self, context: bpy.types.Context) -> "Prepared":
        """Put together again only when something was changed in the dialog."""
        said = self.prompt, self._chosen(context)
        if self._known is None or self._known[0] != said:
            self._known = said, self._prepare(context, self._source)
        return self._known[1]

    def check(self, context: bpy.types.Context) -> bool:
        if self.recapture:  # not while the dialog is drawn
            edit_masks.of(self.item_id(context)).look_again(context)
            self._known = None
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        item = self.item(context)
        if getattr(self, "_source", None) is None:
            edit_masks.forget()
        if self.recapture:
            edit_masks.of(item.id).look_again(context)
        source = getattr(self, "_source", None) or session.session().store.image(item.id)
        generating.submit(context, self._prepare(context, source))
        return {"FINISHED"}

    def _prepare(self, context: bpy.types.Context, source: bytes) -> "Prepared":
        settings = scene_settings.settings(context)
        try:
            model = choices.chosen_model(settings)
        except GenAIError as error:
            return preflight.Prepared(None, None, problem=error)

        def build() -> "RenderRequest":
            marks = self._marks(context, source)
            return request.RenderRequest(
                prompt=self.prompt if marks is None else marks.with_prompt(self.prompt),
                kind="edit",
                model=model.id,
                style=choices.chosen_style(settings).id,
                resolution=settings.resolution,
                count=settings.count,
                seed=settings.seed if settings.use_seed else None,
                mode=settings.mode,
                references=request_builder.chosen_references(settings),
                options=options.option_values(context.scene, model),
                source=source,
                # It is lit and drawn again with the depth and normals of the view it is from.
                canvas=self._view_of(context) if model.backend == "offline" else None,
                markup=None if marks is None else marks.picture,
                mask=edit_masks.of(self.item_id(context)).mask(source, self._chosen(context)),
                parent=self.item_id(context),
            )

        return preflight.prepare(model, build, seen=session.correction(model.id).ratio)

    def _marks(self, context: bpy.types.Context, source: bytes) -> "Marks | None":
        if self.mask_from != "MARKS":
            return None
        item_id = self.item_id(context)
        size = images.probe(source)
        view = edit_masks.of(item_id).origin.view
        return annotated.marks(context, item_id, view, size.width, size.height)

    def _chosen(self, context: bpy.types.Context) -> "Chosen":
        kind = self.mask_from
        if kind == "NONE" and self.mask:  # a script names one
            kind = "IMAGE"
        names: tuple[str, ...] = ()
        if kind == "SELECTED":
            names = tuple(sorted(thing.name for thing in context.selected_objects))
        elif kind in _NAMED:
            names = (self.mask_name,)
        shaping = mask_shape.Shaping(self.invert, self.grow, self.feather)
        return edit_masks.Chosen(kind, self.mask, names, shaping)

    def _view_of(self, context: bpy.types.Context) -> "Canvas | None":
        """The view that the image was made from; read once, and only where it is used."""
        item_id = self.item_id(context)
        known = getattr(self, "_view", None)
        if known is None or known[0] != item_id:
            self._view = known = item_id, session.session().store.canvas(item_id)
        return known[1]


_CLASSES = (GENAI_RENDER_OT_edit,)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
