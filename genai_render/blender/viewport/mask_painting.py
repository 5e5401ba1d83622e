# SPDX-License-Identifier: GPL-3.0-or-later
"""A mask that is painted in an Image Editor, with the image that it is for shown in its place.

The mask is a plain image, white where an edit may change something. What is seen is drawn over it:
the image of History, tinted where the mask is white. So any brush works, white paints and black
takes away, and the mask holds nothing but itself.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# pyright: reportArgumentType=false
from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import bpy

from ...core import lazy
from ...core.errors import GenAIError, ImageError
from ...core.image import images
from .. import addon
from ..jobs import edit_masks, session
from . import drawing, image_editors

if TYPE_CHECKING:
    import numpy as np

    from ...core.history.item import Item
else:
    np = lazy.module("numpy")

_NAME_LENGTH = 40
_WHITE, _BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)

_FRAGMENT = """
void main() {
  vec4 color = texture(picture, place);
  float painted = texture(mask, place).r;
  vec3 shown = mix(color.rgb, vec3(0.95, 0.1, 0.15), painted * 0.55);
  vec3 dark = shown / 12.92;
  vec3 bright = pow((shown + 0.055) / 1.055, vec3(2.4));
  result = vec4(mix(dark, bright, step(0.04045, shown)), 1.0);
}
"""


class _Painting:
    """Which image is painted over, how it is drawn, and the user's brush as it was."""

    def __init__(self) -> None:
        self.item_id = ""
        self._handle: Any = None
        self._pixels: Any = None
        self._texture: Any = None
        self._colors: tuple[Any, Any] | None = None

    def begin(self, item_id: str) -> None:
        """Raises a GenAIError for an image that cannot be read."""
        if self.item_id != item_id:
            pixels = images.decode(session.session().store.image(item_id))
            whole = np.ones((*pixels.shape[:2], 4), np.float32)
            whole[..., : pixels.shape[2]] = pixels[::-1] / np.float32(255)
            self._pixels, self._texture, self.item_id = whole, None, item_id
        if self._handle is None:
            add = bpy.types.SpaceImageEditor.draw_handler_add
            self._handle = add(self._draw, (), "WINDOW", "POST_PIXEL")

    def take_colors(self) -> None:
        """White paints, black takes away, as long as a mask is painted."""
        colors = _brush_colors(bpy.context)
        if colors is not None:
            if self._colors is None:
                self._colors = tuple(colors.color), tuple(colors.secondary_color)
            colors.color, colors.secondary_color = _WHITE, _BLACK

    def end(self) -> None:
        if self._handle is not None:
            bpy.types.SpaceImageEditor.draw_handler_remove(self._handle, "WINDOW")
        colors = _brush_colors(bpy.context)
        if self._colors is not None and colors is not None:
            colors.color, colors.secondary_color = self._colors
        self._handle = self._pixels = self._texture = self._colors = None
        self.item_id = ""

    def close(self) -> None:
        self.end()

    def _draw(self) -> None:
        import gpu
        from gpu_extras.batch import batch_for_shader

        context = bpy.context
        space, region = context.space_data, context.region
        image = space.image if isinstance(space, bpy.types.SpaceImageEditor) else None
        if image is None or image.get(edit_masks.PAINTED) != self.item_id:
            return
        if self._texture is None:
            height, width = self._pixels.shape[:2]
            data = gpu.types.Buffer("FLOAT", self._pixels.size, self._pixels.ravel())
            self._texture = gpu.types.GPUTexture((width, height), format="RGBA8", data=data)
        left, bottom = region.view2d.view_to_region(0, 0, clip=False)
        right, top = region.view2d.view_to_region(1, 1, clip=False)
        shader = addon.state(_MaskShader).shader
        corners = ((left, bottom), (right, bottom), (right, top), (left, top))
        batch = batch_for_shader(
            shader,
            "TRI_FAN",
            {"position": corners, "corner": ((0, 0), (1, 0), (1, 1), (0, 1))},
        )
        with drawing.pixels(region):
            shader.bind()
            shader.uniform_float("pixelToClip", gpu.matrix.get_projection_matrix())
            shader.uniform_sampler("picture", self._texture)
            shader.uniform_sampler("mask", gpu.texture.from_image(image))
            gpu.state.blend_set("NONE")
            batch.draw(shader)


class _MaskShader:
    """Made when it is first drawn with, by the GPU that there is then."""

    def __init__(self) -> None:
        import gpu

        between = gpu.types.GPUStageInterfaceInfo("genai_render_mask")
        between.smooth("VEC2", "place")
        info = gpu.types.GPUShaderCreateInfo()
        info.push_constant("MAT4", "pixelToClip")
        info.sampler(0, "FLOAT_2D", "picture")
        info.sampler(1, "FLOAT_2D", "mask")
        info.vertex_in(0, "VEC2", "position")
        info.vertex_in(1, "VEC2", "corner")
        info.vertex_out(between)
        info.fragment_out(0, "VEC4", "result")
        info.vertex_source(drawing.PICTURE_VERTEX)
        info.fragment_source(_FRAGMENT)
        self.shader = gpu.shader.create_from_info(info)

    def close(self) -> None:
        pass


def begin(context: bpy.types.Context, item: Item) -> None:
    """Open the item's mask for painting. Raises a GenAIError where that cannot be done."""
    area = image_editors.find_or_open(context)
    if area is None:
        raise GenAIError("There is no Image Editor to paint in.", action="Open one first.")
    painting = addon.state(_Painting)
    painting.begin(item.id)
    image = edit_masks.painted_for(item.id)
    if image is None:
        name = f"Mask of {item.prompt}"[:_NAME_LENGTH].strip()
        image = bpy.data.images.new(name, item.width, item.height, alpha=False)
        image[edit_masks.PAINTED] = item.id
        image.use_fake_user = True
    space: Any = area.spaces.active
    space.image = image
    _set_mode(space, "PAINT")
    painting.take_colors()
    image_editors.show_all_of_it(area)


def fill(image: bpy.types.Image | None, inverted: bool) -> None:
    """Make the mask black, or the other way round. Raises ImageError where there is none."""
    if image is None:
        raise ImageError("No mask is painted for this image.", action="Press Paint Mask first.")
    pixels = np.empty(len(image.pixels), np.float32)  # pyright: ignore[reportArgumentType]
    image.pixels.foreach_get(pixels)
    colors = pixels.reshape(-1, 4)
    colors[:, :3] = 1 - colors[:, :3] if inverted else 0
    colors[:, 3] = 1
    image.pixels.foreach_set(pixels)
    image.update()


def end(context: bpy.types.Context) -> None:
    """Show the image as it is in all Image Editors; the mask stays in the file."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            space: Any = area.spaces.active
            if area.type == "IMAGE_EDITOR" and is_mask(space.image):
                _set_mode(space, "VIEW")
                area.tag_redraw()
    addon.discard(_Painting)


def is_mask(image: bpy.types.Image | None) -> bool:
    return image is not None and bool(image.get(edit_masks.PAINTED))


def _set_mode(space: Any, mode: str) -> None:
    if hasattr(space, "ui_mode") and not space.show_uvedit:
        space.ui_mode = mode
    else:  # in the UV Editor there is no such mode
        with contextlib.suppress(TypeError):
            space.mode = mode


def _brush_colors(context: bpy.types.Context) -> Any | None:
    """What holds the two colors of the brush: of all brushes together, or its own."""
    settings = context.scene.tool_settings
    paint = settings.image_paint
    shared = getattr(paint, "unified_paint_settings", None)
    if shared is None:  # before Blender 5.1, or so
        shared = getattr(settings, "unified_paint_settings", None)
    if shared is not None and shared.use_unified_color:
        return shared
    return paint.brush
