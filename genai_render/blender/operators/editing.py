# SPDX-License-Identifier: GPL-3.0-or-later
"""Change an image by words, all of it or within a mask."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from ...core import cost, images, mask
from ...core.errors import GenAIError, ImageError
from ...core.request import RenderRequest
from ..capture import viewport_frame
from ..jobs import request_builder, session
from ..settings import properties, reference_store
from .generate import place_of, submit
from .reporting import ItemOperator


class GENAI_RENDER_OT_edit(ItemOperator):
    """Change the image as a prompt says, with the model, style and references of the panel"""

    bl_idname = "genai_render.edit"
    bl_label = "Edit Image"
    bl_options = {"REGISTER"}

    prompt: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Prompt",
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

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        return context.window_manager.invoke_props_dialog(  # pyright: ignore
            self, width=480, confirm_text="Edit"
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
        settings = properties.settings(context)
        model = properties.chosen_model(settings)
        style = properties.catalog().styles.get(settings.style)
        facts = [model.label, style.label if style is not None else ""]
        try:
            facts.append(cost.estimate_parts(model, self._request(context)).text)
        except GenAIError as error:
            if self.prompt.strip():
                layout.label(text=error.what, icon="INFO", translate=False)
        facts_row = layout.row()
        facts_row.active = False
        facts_row.label(text=", ".join(fact for fact in facts if fact), translate=False)

    def act(self, context: bpy.types.Context) -> set[str]:
        request = self._request(context)
        request_builder.check_allowed(context, request)
        submit(request, place_of(viewport_frame.find_view(context)))
        return {"FINISHED"}

    def _request(self, context: bpy.types.Context) -> RenderRequest:
        settings = properties.settings(context)
        model = properties.chosen_model(settings)
        item = self.item(context)
        source = session.session().store.image(item.id)
        request = RenderRequest(
            prompt=self.prompt,
            kind="edit",
            model=model.id,
            style=settings.style or properties.DEFAULT_STYLE,
            resolution=settings.resolution,
            count=settings.count,
            seed=settings.seed if settings.use_seed else None,
            mode=settings.mode,
            references=tuple(
                reference_store.load(slot)
                for slot in properties.references(settings)
                if slot.digest
            ),
            options=properties.option_values(context.scene, model),
            source=source,
            mask=self._mask(source),
            parent=item.id,
        )
        model.check(request)
        return request

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
