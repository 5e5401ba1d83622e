# SPDX-License-Identifier: GPL-3.0-or-later
"""Make images: start, repeat, vary and cancel."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import functools
import random
from typing import Any

import bpy

from ...core import cost
from ...core.errors import GenAIError, SceneError
from ...core.output_spec import output_spec
from ...core.request import MAX_SEED, RenderRequest
from ..capture import viewport, viewport_frame
from ..capture.camera import unit_metres
from ..jobs import request_builder, session
from ..settings import properties
from .reporting import ItemOperator, TellingOperator


class GENAI_RENDER_OT_generate(TellingOperator):
    """Make an image of this view as the prompt says"""

    bl_idname = "genai_render.generate"
    bl_label = "Generate Image"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        problem = request_builder.outlook(context).problem
        if problem:
            cls.poll_message_set(problem)
        return not problem

    def act(self, context: bpy.types.Context) -> set[str]:
        settings = properties.settings(context)
        problem = request_builder.outlook(context).problem
        if problem:  # a script may call what the button does not allow
            raise GenAIError(problem)
        found = viewport_frame.find_view(context)
        place = place_of(found)
        if not settings.use_canvas:
            submit(request_builder.build(context, None), place)
            return {"FINISHED"}
        if found is None or bpy.app.background:
            raise SceneError(
                "There is no 3D Viewport to take the view from.",
                action="Open one, or use the command line.",
            )
        area, region, space = found
        frame = viewport_frame.frame(context, area, region, space, settings.aspect)
        request = request_builder.build(context, frame.aspect)
        size = viewport_frame.pixels(frame.aspect, settings.aspect, settings.resolution)
        frame = viewport_frame.frame(context, area, region, space, size.aspect)
        with context.temp_override(area=area, region=region):
            drawn = viewport.draw(bpy.context, space, region, frame, size)
        if not drawn.anything and not request.references:
            raise SceneError(
                "There is nothing in the view.", action="Turn it to your objects, or show them."
            )
        metres = unit_metres(context.scene)
        submit(request, place, functools.partial(viewport.develop, drawn, metres=metres))
        return {"FINISHED"}


class GENAI_RENDER_OT_repeat(ItemOperator):
    """Make the selected image's request again, with the view and references that it had"""

    bl_idname = "genai_render.repeat"
    bl_label = "New from Same Settings"
    bl_options = {"REGISTER"}

    vary: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Another Seed",
        description="Use a new seed, so that the image is another one",
        default=False,
    )

    def act(self, context: bpy.types.Context) -> set[str]:
        request = session.session().store.request(self.item_id(context))
        if self.vary:
            request = request.with_(seed=random.randint(0, MAX_SEED), parent=self.item_id(context))
        submit(request, place_of(viewport_frame.find_view(context)))
        return {"FINISHED"}


class GENAI_RENDER_OT_vary(ItemOperator):
    """Make another image from the selected one's view, references and settings, with a new seed"""

    bl_idname = "genai_render.vary"
    bl_label = "Vary Image"
    bl_options = {"REGISTER"}

    def act(self, context: bpy.types.Context) -> set[str]:
        return bpy.ops.genai_render.repeat(id=self.item_id(context), vary=True)


class GENAI_RENDER_OT_cancel(TellingOperator):
    """Stop making this image"""

    bl_idname = "genai_render.cancel"
    bl_label = "Cancel Image"
    bl_options = {"REGISTER"}

    job: bpy.props.IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Job",
        description="Which one; the oldest if none is named",
        default=-1,
        options={"HIDDEN", "SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _under_way(cls)

    def act(self, context: bpy.types.Context) -> set[str]:
        current = session.opened()
        works = current.works() if current is not None else []
        if current is None or not works:
            return {"CANCELLED"}
        current.cancel(self.job if self.job >= 0 else works[0].job.id)
        return {"FINISHED"}


class GENAI_RENDER_OT_cancel_all(TellingOperator):
    """Stop making all images, those that wait for their turn too"""

    bl_idname = "genai_render.cancel_all"
    bl_label = "Cancel All Images"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _under_way(cls)

    def act(self, context: bpy.types.Context) -> set[str]:
        current = session.opened()
        if current is not None:
            current.cancel_all()
        return {"FINISHED"}


class GENAI_RENDER_OT_clear_messages(TellingOperator):
    """Take the messages away"""

    bl_idname = "genai_render.clear_messages"
    bl_label = "Clear GenAI Messages"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        current = session.opened()
        if current is None or not current.told:
            cls.poll_message_set("There are no messages")
            return False
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        current = session.opened()
        if current is not None:
            current.told.clear()
        return {"FINISHED"}


class GENAI_RENDER_OT_random_seed(bpy.types.Operator):
    """Choose another seed"""

    bl_idname = "genai_render.random_seed"
    bl_label = "New Seed"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:  # pyright: ignore
        settings = properties.settings(context)
        settings.use_seed = True
        settings.seed = random.randint(0, 999_999)
        return {"FINISHED"}


def _under_way(cls: Any) -> bool:
    current = session.opened()
    if current is None or not current.works():
        cls.poll_message_set("No image is being made")
        return False
    return True


def place_of(found: Any) -> session.Place | None:
    """The viewport where the result will be shown."""
    if found is None:
        return None
    area, region, space = found
    matrix = viewport_frame.region_data(space, area, region).view_matrix
    return session.Place(space.as_pointer(), tuple(value for row in matrix for value in row))


def submit(request: RenderRequest, place: session.Place | None, develop: Any = None) -> None:
    model = properties.catalog().model(request.model)
    if not (request.width and request.height):
        asked = output_spec(model, request)
        request = request.with_(width=asked.width, height=asked.height)
    sent = (request.width, request.height) if develop is not None else None
    usd = cost.estimate(model, request, sent)
    shown = request_builder.outlook(bpy.context).spec
    said = shown.notes if shown is not None else ()
    session.session().submit(request, request_builder.backend(model).run, place, develop, usd, said)


_CLASSES = (
    GENAI_RENDER_OT_generate,
    GENAI_RENDER_OT_repeat,
    GENAI_RENDER_OT_vary,
    GENAI_RENDER_OT_cancel,
    GENAI_RENDER_OT_cancel_all,
    GENAI_RENDER_OT_clear_messages,
    GENAI_RENDER_OT_random_seed,
)

register, unregister = bpy.utils.register_classes_factory(_CLASSES)
