# SPDX-License-Identifier: GPL-3.0-or-later
"""Bake images of History into textures of the objects that they show, and take them off again."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from typing import TYPE_CHECKING, Any

import bpy

from ...core.errors import Cancelled, GenAIError, SceneError
from ..jobs import errands, generating, history_page, session
from ..translation import translated
from ..viewport import overlay, projection
from .reporting import ItemOperator, shows_a_view, undo_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...core.next_camera import Accepted
    from ...core.preflight import Prepared
    from ..capture import CaptureSpec
    from ..texturing.surfaces import Collected

_WIDTH = 380
_RECORD = "genai_render_texture"  # as in texturing.materials, which is not loaded to look
_SHADING = "genai_render_texture_shading"  # on a scene: its viewports' shading before
_MADE = ("RING", "HEMISPHERE", "SIX")
_COUNT = {"RING": 7, "HEMISPHERE": 10, "SIX": 6}


class GENAI_RENDER_OT_texture(ItemOperator):
    """Bake the image, and others from more sides, into textures of the objects that they show. \
The objects' own materials are kept and come back with Remove Baked Textures"""

    bl_idname = "genai_render.texture"
    bl_label = "Bake into Textures"
    bl_options = {"REGISTER"}

    action: bpy.props.EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Action",
        items=[
            ("BAKE", "Bake", "Bake images into textures"),
            ("REMOVE", "Remove Baked Textures", "Give the objects back what they had"),
        ],
        options={"HIDDEN", "SKIP_SAVE"},
    )
    views: bpy.props.EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Images",
        description="What the textures are baked from",
        items=[
            ("IMAGE", "This Image", "What it does not show is continued from what it shows"),
            ("LINE", "This Image and Those Made from It", "Such as its turntable"),
            ("FAVORITES", "Favorites of This File", "All that are marked with a star"),
            ("RING", "A Ring of New Views", "This image, carried all the way around"),
            ("HEMISPHERE", "A Hemisphere of New Views", "Around, from above, and from the top"),
            ("SIX", "Six Sides", "Front, back, left, right, top and bottom"),
        ],
        options={"SKIP_SAVE"},
    )
    resolution: bpy.props.EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Size",
        description="Of each texture at most: small objects get no more than the images show",
        items=[(name, name, "") for name in ("1K", "2K", "4K")],
        default="2K",
    )
    uvs: bpy.props.EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="UVs",
        items=[
            ("AUTO", "Auto", "The object's own where they do not overlap, else new ones"),
            ("OWN", "Own", "The object's own, also where they overlap"),
            ("NEW", "New", "A new layer of UVs for each mesh"),
        ],
    )
    lit: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Lit by the Scene",
        description="The scene's light falls on the texture, instead of it being shown as it is",
    )
    only_selected: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Only Selected Objects",
        description="Without any selected, all objects that the images show",
        default=True,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return is_on(context.scene) or shows_a_view(cls, context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        if self.action == "REMOVE":
            return self.execute(context)
        try:
            self._accepted = _load(self.item(context).id)
        except GenAIError as error:
            self.report({"ERROR"}, translated(error.text, "reports"))
            return {"CANCELLED"}
        self._known: tuple[str, Prepared] | None = None
        return context.window_manager.invoke_props_dialog(  # pyright: ignore
            self, width=_WIDTH, confirm_text="Bake"
        )

    def draw(self, context: bpy.types.Context) -> None:
        from .carrying import prepared_for_model

        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("views", "resolution", "uvs", "lit", "only_selected"):
            layout.prop(self, name)
        if self.views not in _MADE:
            return
        facts = layout.row()
        facts.active = False
        self._known = prepared_for_model(context, self._accepted, self._known)
        prepared = self._known[1]
        if prepared.problem is not None:
            facts.label(text=translated(prepared.problem.text), translate=False, icon="INFO")
            return
        label = "" if prepared.model is None else prepared.model.label
        cost = translated(prepared.cost)
        facts.label(text=f"{_COUNT[self.views]} × {label}, {cost}", translate=False)

    def act(self, context: bpy.types.Context) -> set[str]:
        if self.action == "REMOVE":
            return _remove(context)
        item_id = self.item(context).id
        accepted = getattr(self, "_accepted", None) or _load(item_id)
        names = _selected(context) if self.only_selected else []
        wish = _Wish(context, names, self.resolution, self.uvs, self.lit)
        wish.collected(context)  # raises what stands against it, before anything is paid for
        if self.views in _MADE:
            self._make_views(context, accepted, names, wish)
        else:
            wish.bake(context, _ids(item_id, self.views))
        return {"FINISHED"}

    def _make_views(
        self, context: bpy.types.Context, accepted: "Accepted", names: list[str], wish: "_Wish"
    ) -> None:
        from ..jobs import view_series
        from .carrying import prepared_for_model

        prepared = prepared_for_model(context, accepted, None)[1]
        views = _placed(context, accepted, names, self.views.lower())

        def then(ids: list[str]) -> None:
            try:
                wish.bake(bpy.context, [accepted.id, *ids])
            except GenAIError as error:
                session.session().tell(error.text, True)

        view_series.view_series().start(
            *(context, accepted, prepared, views),
            place=generating.place_of(context),
            in_order=True,
            then=then,
        )


class _Wish:
    """What was asked for, until its images are there."""

    def __init__(
        self, context: bpy.types.Context, names: list[str], resolution: str, uvs: str, lit: bool
    ) -> None:
        self._scene, self._file = context.scene.name, session.session().file
        self._names, self._resolution, self._uvs, self._lit = names, resolution, uvs, lit

    def collected(self, context: bpy.types.Context, rendered: bool = False) -> "Collected":
        from ..texturing import surfaces

        return surfaces.collect(context, self._names, uvs=self._uvs, rendered=rendered)

    def bake(self, context: bpy.types.Context, ids: list[str]) -> None:
        """The surfaces now, their textures by a worker, and on them when they are done."""
        from .. import background
        from ..texturing import baking

        store = session.session().store
        scene = bpy.data.scenes.get(self._scene)
        if scene is None or scene != context.scene:
            raise SceneError(
                "The scene that this was started in is not shown any more.",
                action="Show it, and bake the images again.",
            )
        rendered = any(_was_rendered(item_id) for item_id in ids)
        collected = self.collected(context, rendered)
        errand = errands.errands().begin("Baking textures")

        def progress(share: float) -> None:
            errand.share = share
            if errand.cancelled:
                raise Cancelled

        def work() -> Any:
            try:
                return baking.baked(store, ids, collected.things, self._resolution, progress)
            except GenAIError as error:
                return error
            except MemoryError:
                return GenAIError(
                    "There is not enough memory for these textures.",
                    action="Choose a smaller size.",
                )

        def then(done: Any) -> None:
            errands.errands().end(errand)
            current = session.opened()
            if current is None or current.file != self._file or errand.cancelled:
                return
            if isinstance(done, GenAIError):
                current.tell(done.text, True)
                return
            textures, notices = done
            changed = _put(self._scene, textures, self._lit)
            said = [*collected.notices, *notices]
            if changed:
                said.append(f"These objects have changed meanwhile: {', '.join(changed[:5])}")
            current.tell(" ".join([baking.summary(textures), *said]), False)

        background.run(work, then)
        if bpy.app.background:
            _wait(errand)


def _wait(errand: errands.Errand) -> None:
    """For scripts, where no timer comes."""
    import time

    from .. import background

    while errand in errands.under_way():
        background.take()
        time.sleep(0.05)


def _load(item_id: str) -> "Accepted":
    from ...core import next_camera

    return next_camera.load(session.session().store, item_id)


def _selected(context: bpy.types.Context) -> list[str]:
    kinds = ("MESH", "CURVE", "SURFACE", "META", "FONT")
    return [thing.name for thing in context.selected_objects if thing.type in kinds]


def _ids(item_id: str, views: str) -> list[str]:
    """The images that are there already; the selected one first."""
    store = session.session().store
    others = []
    if views == "LINE":
        others = store.search(parent=item_id, status="done", limit=64)
    elif views == "FAVORITES":
        blend = bpy.path.basename(bpy.data.filepath)
        others = store.search(favourite=True, blend=blend or None, status="done", limit=64)
    with_view = [one.id for one in others if _has_view(one.id)]
    return list(dict.fromkeys([item_id, *with_view]))


def _has_view(item_id: str) -> bool:
    view = history_page.view_of(item_id)
    return view is not None and view.source != "image"


def _was_rendered(item_id: str) -> bool:
    view = history_page.view_of(item_id)
    return view is not None and view.source == "passes"


def _placed(
    context: bpy.types.Context, accepted: "Accepted", names: list[str], how: str
) -> "list[CaptureSpec]":
    from ...core.image import images
    from ..capture import CaptureSpec, camera, placing

    size = images.probe(accepted.image)
    metres = camera.unit_metres(context.scene)
    seen_from = [row[3] / metres for row in accepted.canvas.view.camera_to_world[:3]]
    around = placing.around(context, names, how, size.width / size.height, seen_from)
    return [
        CaptureSpec(
            *(size.width, size.height),
            placed=placed,
            camera=name,
            mode=accepted.request.mode,
            source="passes" if bpy.app.background else "viewport",
        )
        for name, placed in around
    ]


def is_on(scene: bpy.types.Scene) -> bool:
    """Whether an object has a texture of ours."""
    return any(_RECORD in thing for thing in scene.objects)


def _put(scene_name: str, textures: list[Any], lit: bool) -> list[str]:
    """The names of the objects that could not be given theirs."""
    from ..texturing import materials

    scene = bpy.data.scenes.get(scene_name)
    if scene is None:
        return [texture.thing.name for texture in textures]
    projection.remove(scene)
    changed = []
    for texture in textures:
        thing = scene.objects.get(texture.thing.name)
        made = texture.thing
        if thing is None or not materials.put(scene, thing, made, texture.png, lit=lit):
            changed.append(made.name)
    overlay.hide()
    _show_materials(scene)
    undo_step("Bake into Textures")
    return changed


def _show_materials(scene: bpy.types.Scene) -> None:
    """In viewports that show none; how they were before is kept with the scene."""
    before = dict(scene.get(_SHADING, {}))
    for name, shading in _shadings(scene):
        if shading.type in ("WIREFRAME", "SOLID"):
            before.setdefault(name, shading.type)
            shading.type = "MATERIAL"
    if before:
        scene[_SHADING] = before


def _show_as_before(scene: bpy.types.Scene) -> None:
    before = scene.get(_SHADING)
    if before is None:
        return
    for name, shading in _shadings(scene):
        if name in before and shading.type == "MATERIAL":
            shading.type = before[name]
    del scene[_SHADING]


def _shadings(scene: bpy.types.Scene) -> "Iterator[tuple[str, Any]]":
    """Of the viewports that show the scene, with a name for each."""
    for window in bpy.context.window_manager.windows:
        for index, area in enumerate(window.screen.areas if window.scene == scene else ()):
            if area.type == "VIEW_3D":
                yield f"{window.screen.name} {index}", area.spaces.active.shading


def _remove(context: bpy.types.Context) -> set[str]:
    from ..texturing import materials

    projection.remove(context.scene)
    for thing in materials.textured(context.scene):
        materials.take_off(thing)
    _show_as_before(context.scene)
    undo_step("Remove Baked Textures")
    return {"FINISHED"}


_CLASSES = (GENAI_RENDER_OT_texture,)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
