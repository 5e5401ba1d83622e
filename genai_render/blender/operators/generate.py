# SPDX-License-Identifier: GPL-3.0-or-later
"""Make images: start, repeat, vary and cancel."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from typing import Any

import bpy

from ...core.bounds import MAX_SEED
from ..jobs import errands, generating, request_builder, session
from ..settings import scene_settings
from ..translation import CONTEXT, translated
from .reporting import ItemOperator, TellingOperator


def _chance(most: int) -> int:
    """A seed from 0 to that."""
    import random  # not needed to start

    return random.randint(0, most)


class GENAI_RENDER_OT_generate(TellingOperator):
    """Make an image of this view as the prompt says"""

    bl_idname = "genai_render.generate"
    bl_label = "Generate Image"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        problem = request_builder.prepared(context).problem
        if problem is not None:
            cls.poll_message_set(translated(problem.text, "tooltips"))
        return problem is None

    def act(self, context: bpy.types.Context) -> set[str]:
        generating.generate(context)
        return {"FINISHED"}


class GENAI_RENDER_OT_repeat(ItemOperator):
    """Make the selected image's request again, with the view and references that it had"""

    bl_idname = "genai_render.repeat"
    bl_label = "Make Again with Same Settings"
    bl_options = {"REGISTER"}

    vary: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Another Seed",
        description="Use a new seed, so that the image is another one",
        default=False,
    )

    def act(self, context: bpy.types.Context) -> set[str]:
        request = session.session().store.request(self.item_id(context))
        if self.vary:
            request = request.with_(seed=_chance(MAX_SEED), parent=self.item_id(context))
        generating.submit(context, request_builder.for_request(request))
        return {"FINISHED"}


class GENAI_RENDER_OT_vary(ItemOperator):
    """Make another image from the selected one's view, references and settings"""

    bl_idname = "genai_render.vary"
    bl_label = "Vary with New Seed"
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
    errand: bpy.props.IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Errand",
        description="Which work of several steps instead of a job: its number, counted from 0",
        default=-1,
        options={"HIDDEN", "SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _under_way(cls)

    def act(self, context: bpy.types.Context) -> set[str]:
        steps = errands.under_way()
        if 0 <= self.errand < len(steps):
            steps[self.errand].cancel()
            return {"FINISHED"}
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
        for errand in errands.under_way():
            errand.cancel()
        if current is not None:
            current.cancel_all()
        return {"FINISHED"}


class GENAI_RENDER_OT_clear_messages(TellingOperator):
    """Take the messages away"""

    bl_idname = "genai_render.clear_messages"
    bl_label = "Clear GenAI Messages"
    bl_translation_context = CONTEXT
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        current = session.opened()
        if current is None or not current.told:
            cls.poll_message_set(translated("There are no messages", "tooltips"))
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
        settings = scene_settings.settings(context)
        settings.use_seed = True
        settings.seed = _chance(999_999)
        return {"FINISHED"}


def _under_way(cls: Any) -> bool:
    current = session.opened()
    if (current is None or not current.works()) and not errands.under_way():
        cls.poll_message_set(translated("No image is being made", "tooltips"))
        return False
    return True


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
