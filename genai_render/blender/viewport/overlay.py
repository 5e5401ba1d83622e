# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn over a 3D Viewport: the frame of the next image, and images in its place."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false
from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ...core import events, framing, jobs, lazy
from ...core.errors import GenAIError
from ...core.image import images
from ...core.masks import markup
from .. import addon, background, catalog, redraw
from ..capture import viewport_frame
from ..jobs import annotated, generating, history_page, listeners, request_builder, session, work
from ..settings import scene_settings, window_state
from ..translation import translated
from . import draw_handlers, drawing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...core.events import PartialImage
    from ...core.jobs import JobEvent
    from ...core.view.canvas import View
    from ..jobs.work import Place, Work
    from .drawing import Rectangle
else:
    np = lazy.module("numpy")

LARGEST_SIDE = 2048  # of a picture on the screen; the file is not touched
KEPT_TEXTURES = 8
MOST_COMPARED = 4
FADED = 0.35  # how much of a picture is seen over another view than its own
_CATEGORY = "GenAI"
_SAME_SHAPE = 0.02  # so much may an image's shape be off from its view's, through whole pixels


class Shown:
    """Pictures over one viewport. ids: those to go through, or to compare.

    compared: all at once, side by side. asked_in: in which of Blender's modes somebody asked to see
    them, "" if they came by themselves. partial: the key of one that is not finished yet.
    """

    def __init__(
        self, ids: list[str], index: int, place: Place, compared: bool = False, asked_in: str = ""
    ) -> None:
        self.ids, self.index, self.place = ids, index, place
        self.compared, self.asked_in = compared, asked_in
        self.partial = ""
        self.labels: dict[str, str] = {}
        self.views: dict[str, View | None] = {}

    @property
    def current(self) -> str:
        return self.partial or self.ids[self.index]


class Overlay:
    """The pictures that lie over a viewport, and their textures.

    textures: by id, the one used last at the end; floats until they are drawn for the first time.
    drawn: where each picture was drawn last. elsewhere: whether that was over another view than its
    own. undrawn: the region that is being drawn and has not got its pictures yet.
    """

    def __init__(self) -> None:
        self.shown: Shown | None = None
        self.textures: dict[str, Any] = {}
        self.drawn: dict[str, Rectangle] = {}
        self.elsewhere = False
        self.undrawn = 0
        self._loading: set[str] = set()

    def show(
        self, ids: Sequence[str], index: int, place: Place, compared: bool, asked_in: str
    ) -> None:
        self.shown = Shown(list(ids), index, place, compared, asked_in)
        for item_id in ids[:MOST_COMPARED] if compared else [ids[index]]:
            self.load(item_id)
            if compared:
                self.shown.labels[item_id] = _label_of(item_id)
        redraw.viewports()

    def step(self, by: int) -> None:
        shown = self.shown
        if shown is not None and not shown.compared and len(shown.ids) > 1:
            shown.partial = ""
            shown.index = (shown.index + by) % len(shown.ids)
            self.load(shown.current)
            redraw.viewports()

    def hide(self) -> None:
        self.shown = None
        redraw.viewports()

    def forget(self) -> None:
        """Another file has other viewports: an address of the old one may come up again."""
        self.shown = None
        self.drawn.clear()

    # Jobs

    def hear(self, work: Work, event: JobEvent) -> None:
        prefs = addon.preferences()
        if work.place is None or (prefs is not None and not prefs.show_result):
            return
        if isinstance(event, events.PartialImage):
            self._show_partial(work.job.id, work.place, event)
        elif isinstance(event, jobs.Saved):
            self._show_saved(list(work.job.saved), work.place)
        elif isinstance(event, jobs.Finished) and self.shown is not None and self.shown.partial:
            # Cancelled or failed half way: what was there before comes back.
            self.shown.partial = ""
            if not self.shown.ids:
                self.hide()

    def _show_partial(self, job: int, place: Place, event: PartialImage) -> None:
        key = f"partial-{job}"
        self.textures.pop(key, None)
        self._loading.discard(key)
        if self.shown is None or self.shown.place.space != place.space:
            self.shown = Shown([], 0, place)
        self.shown.partial = key
        self.load(key, event.image)

    def _show_saved(self, siblings: list[str], place: Place) -> None:
        if self.shown is not None and set(self.shown.ids) & set(siblings):
            # Look on at the one that is being looked at; the new one is a step away.
            current = self.shown.ids[self.shown.index]
            self.shown.ids, self.shown.partial = siblings, ""
            self.shown.index = siblings.index(current)
            redraw.viewports()
            return
        state = window_state.window()
        state.wipe = state.opacity = 1.0
        # A viewport that is gone, or shows another file now: it is offered where one is.
        if not _is_open(place.space):
            here = generating.place_of(bpy.context)
            place = place if here is None else work.Place(here.space, here.region, place.scene)
        self.show(siblings, len(siblings) - 1, place, compared=False, asked_in="")

    # Pictures as textures: decoded in the background, made by the GPU when they are drawn

    def load(self, key: str, data: bytes | None = None) -> None:
        if key in self.textures or key in self._loading:
            return
        path = None
        if data is None:
            with contextlib.suppress(GenAIError):
                path = session.session().store.get(key).image_path
            if path is None:
                return
        self._loading.add(key)
        background.run(lambda: _decode(path, data), lambda floats: self._decoded(key, floats))

    def _decoded(self, key: str, floats: NDArray[np.float32] | None) -> None:
        self._loading.discard(key)
        if floats is not None:
            self.textures[key] = floats
            redraw.viewports()

    def texture(self, key: str) -> Any | None:
        """The picture as a texture; None while it is being read."""
        import gpu

        texture = self.textures.pop(key, None)
        if texture is None:
            self.load(key)
            return None
        if isinstance(texture, np.ndarray):
            height, width = texture.shape[:2]
            data = gpu.types.Buffer("FLOAT", texture.size, texture.ravel())
            texture = gpu.types.GPUTexture((width, height), format="RGBA8", data=data)
        self.textures[key] = texture
        while len(self.textures) > KEPT_TEXTURES:
            del self.textures[next(iter(self.textures))]
        return texture

    def view_of(self, key: str) -> View | None:
        """What a picture shows the scene from, if that is known."""
        shown = self.shown
        if shown is None or key == shown.partial:
            return None
        if key not in shown.views:
            shown.views[key] = history_page.view_of(key)
        return shown.views[key]

    def close(self) -> None:
        self.forget()
        self.textures.clear()


def _overlay() -> Overlay:
    return addon.state(Overlay)


# What is shown


def shown() -> Shown | None:
    return _overlay().shown


def is_over(space: bpy.types.Space | None) -> bool:
    """Whether pictures belong to this viewport now."""
    known = shown()
    return known is not None and space is not None and space.as_pointer() == known.place.space


def is_here(context: bpy.types.Context) -> bool:
    """Whether pictures belong to this region of this viewport: to one quarter of a quad view."""
    known = shown()
    area, region = context.area, context.region
    if known is None or area is None or region is None or not is_over(context.space_data):
        return False
    regions = [one.as_pointer() for one in area.regions if one.type == "WINDOW"]
    wanted = known.place.region
    return region.as_pointer() == (wanted if wanted in regions else regions[-1])


def may_cover(context: bpy.types.Context) -> bool:
    """Whether they hide nothing that is being worked on: another scene, or what is being edited."""
    known = shown()
    if known is None or known.place.scene != context.scene.session_uid:
        return False
    return context.mode in ("OBJECT", known.asked_in)


def is_offered(context: bpy.types.Context) -> bool:
    """Whether a picture waits to be asked for here, since it may not cover the scene."""
    known = shown()
    return known is not None and bool(known.ids) and is_here(context) and not may_cover(context)


def show(
    context: bpy.types.Context, ids: Sequence[str], index: int = 0, compared: bool = False
) -> None:
    """Show pictures of History over the viewport that is meant: one, or all side by side."""
    place = generating.place_of(context) or work.Place(0)
    _overlay().show(ids, index, place, compared, context.mode)


def step(by: int) -> None:
    """The next or previous picture."""
    _overlay().step(by)


def hide() -> None:
    """Show the live scene only."""
    _overlay().hide()


def rectangle() -> Rectangle | None:
    """Left, bottom, right and top of the single picture as it was last drawn."""
    overlay = _overlay()
    if overlay.shown is None or overlay.shown.compared:
        return None
    return next(iter(overlay.drawn.values()), None)


def is_elsewhere() -> bool:
    """Whether the single picture lay over another view than its own when it was last drawn."""
    return _overlay().elsewhere


def _is_open(space: int) -> bool:
    return any(
        area.spaces.active is not None and area.spaces.active.as_pointer() == space
        for window in bpy.context.window_manager.windows
        for area in window.screen.areas
    )


def _label_of(item_id: str) -> str:
    """What tells pictures apart that lie side by side."""
    try:
        item = session.session().store.get(item_id)
    except GenAIError:
        return ""
    style = catalog.catalog().styles.get(item.style)
    words = " ".join(item.prompt.split())
    words = words if len(words) <= 40 else words[:39] + "…"
    return f"{words} · {style.label if style is not None else item.style}"


def _decode(path: Path | None, data: bytes | None) -> NDArray[np.float32] | None:
    """In the background: floats of a size that a screen can show; None for a broken file."""
    try:
        if data is None:
            assert path is not None
            data = images.read_file(path)
        pixels = images.decode(data, path.name if path is not None else "The picture")
        return _as_floats(pixels)
    except GenAIError:
        return None


def _as_floats(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 4) float32, row 0 at the bottom, no side longer than LARGEST_SIDE."""
    from PIL import Image

    height, width = pixels.shape[:2]
    if max(height, width) > LARGEST_SIDE:
        picture = Image.fromarray(pixels)
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BOX)
        pixels = np.asarray(picture)
        height, width = pixels.shape[:2]
    floats = np.ones((height, width, 4), np.float32)
    np.divide(pixels[::-1], np.float32(255), out=floats[..., : pixels.shape[2]])
    return floats


# Drawing


def _after_scene() -> None:
    """The frame, if there are no pictures. These come later, over the camera's border and shade."""
    context = bpy.context
    space, region, area = context.space_data, context.region, context.area
    if not isinstance(space, bpy.types.SpaceView3D) or region is None or area is None:
        return
    overlay = _overlay()
    overlay.undrawn = 0
    if is_here(context):
        overlay.drawn.clear()
        overlay.elsewhere = False
        if may_cover(context):
            overlay.undrawn = region.as_pointer()
            # Where they will be: the gizmos are put there before they are drawn.
            _lay_out(context, overlay, area, region, space)
            return
    if _frame_wanted(context, area, region):
        with drawing.pixels(region):
            _draw_frame(context, area, region, space)


def draw_pictures() -> None:
    """Draw what lies over the region that is being drawn, once each time."""
    context = bpy.context
    region, overlay = context.region, _overlay()
    if region is None or region.as_pointer() != overlay.undrawn:
        return
    overlay.undrawn = 0
    with drawing.pixels(region):
        _draw_pictures(context, overlay, region)


def _frame_wanted(
    context: bpy.types.Context, area: bpy.types.Area, region: bpy.types.Region
) -> bool:
    if not (
        window_state.window(context).show_frame and scene_settings.settings(context).use_canvas
    ):
        return False
    windows = [other for other in area.regions if other.type == "WINDOW"]
    return region == windows[-1] and tab_visible(area)


def tab_visible(area: bpy.types.Area) -> bool:
    """Whether the sidebar of a viewport shows our tab."""
    for region in area.regions:
        if region.type == "UI":
            return region.width > 1 and region.active_panel_category == _CATEGORY
    return False


def _draw_frame(context: Any, area: Any, region: Any, space: Any) -> None:
    settings = scene_settings.settings(context)
    frame = viewport_frame.frame(context, area, region, space, settings.aspect)
    box = (frame.x, frame.y, frame.x + frame.width, frame.y + frame.height)
    drawing.shade_outside(region, box, 0.35)
    drawing.outline(box, (1.0, 1.0, 1.0, 0.55))
    spec = request_builder.prepared(context).spec
    if spec is not None:
        drawing.label(box[0] + 8, box[1] + 8, translated(spec.text))


def _lay_out(context: Any, overlay: Overlay, area: Any, region: Any, space: Any) -> None:
    shown = overlay.shown
    assert shown is not None
    if shown.compared:
        ids = shown.ids[:MOST_COMPARED]
        pictures = [overlay.texture(item_id) for item_id in ids]
        shapes = [one.width / one.height if one is not None else 1.0 for one in pictures]
        overlay.drawn.update(zip(ids, _side_by_side(area, region, shapes), strict=True))
        return
    texture = overlay.texture(shown.current)
    if texture is None:
        return
    aspect = texture.width / texture.height
    own = _own_place(context, overlay, area, region, space, aspect)
    overlay.elsewhere = own is None
    if own is None:
        frame = viewport_frame.frame(context, area, region, space, aspect)
        own = frame.x, frame.y, frame.x + frame.width, frame.y + frame.height
    overlay.drawn[shown.current] = own


def _draw_pictures(context: Any, overlay: Overlay, region: Any) -> None:
    shown = overlay.shown
    if shown is None:
        return
    state = window_state.window(context)
    if shown.compared:
        _draw_compared(overlay, shown, region, state)
        return
    box, texture = overlay.drawn.get(shown.current), overlay.texture(shown.current)
    if box is None or texture is None:
        return
    drawing.picture(texture, box, state.wipe, state.opacity * (FADED if overlay.elsewhere else 1))
    if state.show_heat and not overlay.elsewhere and not shown.partial:
        from . import heat  # not needed to start

        where = heat.heat().texture(shown.current, texture.width, texture.height)
        if where is not None:
            drawing.picture(where, box, state.wipe, 1.0)
    drawing.outline(box, (0.0, 0.0, 0.0, 0.5))
    _draw_annotations(context, overlay, shown, box)
    if state.wipe < 1:
        middle = box[0] + state.wipe * (box[2] - box[0])
        drawing.lines([(middle, box[1]), (middle, box[3])], (1.0, 1.0, 1.0, 0.9), 2.0)
    words = [translated("Another view")] if overlay.elsewhere else []
    if shown.partial:
        words.append(translated("Not finished"))
    elif len(shown.ids) > 1:
        words.append(f"{shown.index + 1} / {len(shown.ids)}")
    drawing.label(max(box[0], 0) + 8, max(box[1], 0) + 8, " · ".join(words))


def _draw_annotations(context: Any, overlay: Overlay, shown: Shown, box: Rectangle) -> None:
    """Blender's own come under the picture that they are to say something about."""
    if overlay.elsewhere or not annotated.is_annotated(context.scene):
        return
    view = overlay.view_of(shown.current)
    if view is None:
        return
    width, height = round(box[2] - box[0]), round(box[3] - box[1])
    strokes = annotated.of_scene(context.scene, view, width, height)
    for stroke in strokes:
        places = [(box[0] + x, box[3] - y) for x, y in stroke.points.tolist()]
        if len(places) > 1:
            drawing.lines(places, stroke.color, max(stroke.width, 1.5))
    for number, stroke in markup.number_places(strokes).items():
        x, y = stroke.points[0].tolist()
        drawing.label(box[0] + x + 8, box[3] - y + 8, str(number))


def _own_place(
    context: Any, overlay: Overlay, area: Any, region: Any, space: Any, aspect: float
) -> Rectangle | None:
    """Where in the region the scene is as the picture shows it; None over another view."""
    shown = overlay.shown
    assert shown is not None
    rv3d = viewport_frame.region_data(space, area, region)
    view = overlay.view_of(shown.current)
    if view is not None:
        box = viewport_frame.where_seen(context, region, rv3d, view)
        return None if box is None else _in_shape(box, view.aspect, aspect)
    # Without a view of its own there is none that it could be out of.
    before = shown.place.view if shown.partial else ()
    now = [value for row in rv3d.view_matrix for value in row]
    if before and not np.allclose(now, before, rtol=1e-3, atol=1e-3):
        return None
    frame = viewport_frame.frame(context, area, region, space, aspect)
    return frame.x, frame.y, frame.x + frame.width, frame.y + frame.height


def _in_shape(box: Rectangle, view_aspect: float, aspect: float) -> Rectangle:
    """A view's box for an image of another shape, which shows more around it."""
    if abs(aspect / view_aspect - 1) < _SAME_SHAPE:
        return box
    fit = framing.fit_view(view_aspect, aspect, "extend")
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half_x = (box[2] - box[0]) / 2 * fit.scale_x
    half_y = (box[3] - box[1]) / 2 * fit.scale_y
    return middle_x - half_x, middle_y - half_y, middle_x + half_x, middle_y + half_y


def _draw_compared(overlay: Overlay, shown: Shown, region: Any, state: Any) -> None:
    # The scene is in the way.
    drawing.fill((0, 0, region.width, region.height), (0.0, 0.0, 0.0, 0.85))
    for item_id, box in overlay.drawn.items():
        texture = overlay.texture(item_id)
        if texture is not None:
            drawing.picture(texture, box, 1.0, state.opacity)
        drawing.outline(box, (0.0, 0.0, 0.0, 0.6))
        drawing.label(box[0] + 8, box[1] + 8, shown.labels.get(item_id, ""))


def _side_by_side(area: Any, region: Any, shapes: list[float]) -> list[Rectangle]:
    """A box for each picture, in its own shape (width over height)."""
    left, bottom, right, top = viewport_frame.clear_part(area, region)
    columns = min(2, len(shapes))
    rows = math.ceil(len(shapes) / columns)
    gap = 6.0
    boxes = []
    for number, aspect in enumerate(shapes):
        width = (right - left - gap * (columns + 1)) / columns
        height = (top - bottom - gap * (rows + 1)) / rows
        x = left + gap + (number % columns) * (width + gap)
        y = top - (number // columns + 1) * (height + gap)
        fitted_width = min(width, height * aspect)
        fitted_height = fitted_width / aspect
        x += (width - fitted_width) / 2
        y += (height - fitted_height) / 2
        boxes.append((x, y, x + fitted_width, y + fitted_height))
    return boxes


# Registering


@bpy.app.handlers.persistent
def _before_load(*_: object) -> None:
    _overlay().forget()


def _heard(work: Work, event: JobEvent) -> None:
    _overlay().hear(work, event)


def register() -> None:
    if bpy.app.background:
        return
    # The pictures themselves are drawn with our gizmos, which come after the camera's passepartout
    # and before Blender's own gizmos; or at the very end where gizmos are off or held back.
    draw_handlers.add(_after_scene, "POST_VIEW")
    draw_handlers.add(draw_pictures, "POST_PIXEL")
    bpy.app.handlers.load_pre.append(_before_load)
    listeners.listen(_heard)


def unregister() -> None:
    if _before_load in bpy.app.handlers.load_pre:
        bpy.app.handlers.load_pre.remove(_before_load)
