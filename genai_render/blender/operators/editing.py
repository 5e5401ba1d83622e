# SPDX-License-Identifier: GPL-3.0-or-later
"""Change an image by words, all of it or within a mask."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from typing import TYPE_CHECKING, Any

import bpy

from ...core import images, lazy, mask, mask_shape, preflight, request
from ...core.errors import GenAIError, ImageError, NotFound
from ..jobs import generating, request_builder, session
from ..panels.wrapping import wrapped
from ..settings import choices, options, scene_settings
from ..translation import CONTEXT, translated
from .reporting import ItemOperator

if TYPE_CHECKING:
    import numpy as np

    from ...core.canvas import Canvas
    from ...core.mask_shape import Shaping
    from ...core.preflight import Prepared
    from ...core.request import RenderRequest
else:
    np = lazy.module("numpy")
_WIDTH = 480


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
        self._masks: dict[Any, bytes] = {}
        return context.window_manager.invoke_props_dialog(  # pyright: ignore
            self, width=_WIDTH, confirm_text="Edit"
        )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        row = layout.row()
        row.activate_init = True
        row.prop(self, "prompt", text="", placeholder="What do you want to change?")
        row = layout.row()
        row.use_property_split = True
        row.use_property_decorate = False
        row.prop_search(self, "mask", bpy.data, "images", icon="IMAGE_DATA")
        if self.mask:
            row = layout.row(align=True)
            row.prop(self, "invert", toggle=True)
            row.prop(self, "grow")
            row.prop(self, "feather")
        prepared = self._prepared_for_dialog(context)
        problem = prepared.problem
        if problem is not None and (self.prompt.strip() or isinstance(problem, NotFound)):
            wrapped(layout, context, problem.text, icon="INFO", width=_WIDTH)
        style = choices.known_style(scene_settings.settings(context))
        facts = [
            prepared.model.label if prepared.model is not None else "",
            translated(style.label) if style is not None else "",
            translated(prepared.cost),
        ]
        facts_row = layout.row()
        facts_row.active = False
        facts_row.label(text=", ".join(fact for fact in facts if fact), translate=False)

    def _prepared_for_dialog(self, context: bpy.types.Context) -> "Prepared":
        """Put together again only when something was changed in the dialog."""
        said = self.prompt, self.mask, self._shaping()
        if self._known is None or self._known[0] != said:
            self._known = said, self._prepare(context, self._source)
        return self._known[1]

    def act(self, context: bpy.types.Context) -> set[str]:
        item = self.item(context)
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
            return request.RenderRequest(
                prompt=self.prompt,
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
                mask=self._known_mask(source),
                parent=self.item_id(context),
            )

        return preflight.prepare(model, build, seen=session.correction(model.id).ratio)

    def _known_mask(self, source: bytes) -> bytes | None:
        """In the dialog, made once for each image that is chosen, not at every letter."""
        masks = getattr(self, "_masks", {})
        which = self.mask, self._shaping()
        if self.mask and which not in masks:
            made = self._mask(source)
            assert made is not None, "one is named"
            masks[which] = which[1].applied(made)
        return masks.get(which)

    def _view_of(self, context: bpy.types.Context) -> "Canvas | None":
        """The view that the image was made from; read once, and only where it is used."""
        item_id = self.item_id(context)
        known = getattr(self, "_view", None)
        if known is None or known[0] != item_id:
            self._view = known = item_id, session.session().store.canvas(item_id)
        return known[1]

    def _shaping(self) -> "Shaping":
        return mask_shape.Shaping(self.invert, self.grow, self.feather)

    def _mask(self, source: bytes) -> bytes | None:
        if not self.mask:
            return None
        image = bpy.data.images.get(self.mask)
        if image is None:
            raise ImageError(f'There is no image "{self.mask}".', action="Choose another mask.")
        info = images.probe(source)
        return mask_of(image, info.width, info.height)


def mask_of(image: bpy.types.Image, width: int, height: int) -> bytes:
    """An image of the .blend as the mask of an edit: a PNG, transparent where to edit.

    Raises ImageError for an image without pixels.
    """
    pixels: Any = image.pixels
    size: Any = image.size
    across, up = size
    if not (across and up) or len(pixels) == 0:
        raise ImageError(f'The image "{image.name}" has no pixels.', action="Choose another mask.")
    flat = np.empty(across * up * image.channels, np.float32)
    pixels.foreach_get(flat)
    rows = flat.reshape(up, across, image.channels)[::-1]
    return mask.of_picture(rows, width, height)


_CLASSES = (GENAI_RENDER_OT_edit,)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
