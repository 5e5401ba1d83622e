# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing the prompt: in a dialog, in the Text Editor, from saved and recent ones."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportIncompatibleMethodOverride=false, reportOptionalMemberAccess=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
import textwrap
from typing import Any

import bpy

from ...core import request
from ...core.bounds import PROMPT_LIMIT
from ...core.errors import InvalidInput
from .. import scene_description
from ..capture import viewport_frame
from ..jobs import request_builder, saved_prompts
from ..settings import scene_settings
from ..translation import CONTEXT, translated
from .reporting import TellingOperator

_WIDTH = 720
_LETTERS = 104  # of a line that fits into its field
_FREE_LINES = 6
_TEXT_SHARE = 0.3  # of the viewport, for a Text Editor


class GenAIPromptLine(bpy.types.PropertyGroup):
    """A line of the dialog. goes_on: it was broken there only because it was too long."""

    text: bpy.props.StringProperty(options={"SKIP_SAVE", "TEXTEDIT_UPDATE"})  # pyright: ignore[reportInvalidTypeForm]
    goes_on: bpy.props.BoolProperty(options={"SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]


class GENAI_RENDER_OT_edit_prompt(TellingOperator):
    """Write the prompt in as many lines as it needs"""

    bl_idname = "genai_render.edit_prompt"
    bl_label = "Edit Prompt"
    bl_options = {"REGISTER", "UNDO"}

    # One property a line: Blender has no text field of several lines.
    lines: bpy.props.CollectionProperty(type=GenAIPromptLine, options={"SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        self.lines.clear()
        prompt = request_builder.prompt_of(scene_settings.settings(context))
        for paragraph in prompt.splitlines():
            parts = textwrap.wrap(paragraph, _LETTERS) or [""]
            for number, part in enumerate(parts, 1):
                line = self.lines.add()
                line.text, line.goes_on = part, number < len(parts)
        for _ in range(_FREE_LINES):
            self.lines.add()
        return context.window_manager.invoke_props_dialog(  # pyright: ignore
            self, width=_WIDTH, confirm_text="Use"
        )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        column = layout.column(align=True)
        for number, line in enumerate(self.lines):
            row = column.row(align=True)
            row.activate_init = number == 0
            row.prop(line, "text", text="")
        length = request.prompt_length(self._text())
        row = layout.row()
        row.alert = length > PROMPT_LIMIT
        row.alignment = "RIGHT"
        row.label(text=f"{length}/{PROMPT_LIMIT}", translate=False)

    def _text(self) -> str:
        whole = "".join(line.text.strip() + (" " if line.goes_on else "\n") for line in self.lines)
        return "\n".join(line.rstrip() for line in whole.splitlines()).strip()

    def act(self, context: bpy.types.Context) -> set[str]:
        set_prompt(context, self._text())
        return {"FINISHED"}


class GENAI_RENDER_OT_prompt_to_text(TellingOperator):
    """Write the prompt in the Text Editor, however long, below the viewport if none is open"""

    bl_idname = "genai_render.prompt_to_text"
    bl_label = "Prompt in Text Editor"
    bl_options = {"REGISTER", "UNDO"}

    def act(self, context: bpy.types.Context) -> set[str]:
        settings = scene_settings.settings(context)
        text = settings.prompt_text
        if text is None:
            text = bpy.data.texts.new("Prompt")
            text.write(settings.prompt)
            settings.prompt_text = text
        area = _text_editor(context)
        if area is None:
            message = f'The prompt is the text "{text.name}" of the Text Editor now'
            self.report({"INFO"}, translated(message, "reports"))
            return {"FINISHED"}
        space: Any = area.spaces.active
        space.text, space.show_word_wrap = text, True
        return {"FINISHED"}


def _text_editor(context: bpy.types.Context) -> bpy.types.Area | None:
    """An open one, or one that is split off the viewport."""
    if context.window is None:
        return None
    screen = context.window.screen
    for area in screen.areas:
        if area.type == "TEXT_EDITOR":
            return area
    found = viewport_frame.find_view(context)
    if found is None:
        return None
    known = {area.as_pointer() for area in screen.areas}
    with context.temp_override(area=found[0], region=found[1]):
        bpy.ops.screen.area_split(direction="HORIZONTAL", factor=_TEXT_SHARE)
    # The lower of the two: which one Blender takes for the new one is its own affair.
    made = next((area for area in screen.areas if area.as_pointer() not in known), None)
    if made is None:
        return None
    lower = min(made, found[0], key=lambda area: area.y)
    lower.type = "TEXT_EDITOR"
    return lower


class GENAI_RENDER_OT_save_prompt(TellingOperator):
    """Keep this prompt, to use it again in any file"""

    bl_idname = "genai_render.save_prompt"
    bl_label = "Save Prompt"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not request_builder.prompt_of(scene_settings.settings(context)).strip():
            cls.poll_message_set(translated("The prompt is empty", "tooltips"))
            return False
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        saved_prompts.save(request_builder.prompt_of(scene_settings.settings(context)).strip())
        self.report({"INFO"}, "The prompt is saved")
        return {"FINISHED"}


class GENAI_RENDER_OT_use_prompt(TellingOperator):
    """Use this prompt"""

    bl_idname = "genai_render.use_prompt"
    bl_label = "Use Prompt"
    bl_options = {"REGISTER", "UNDO"}

    prompt: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Prompt", options={"SKIP_SAVE"}, translation_context=CONTEXT
    )

    @classmethod
    def description(cls, context, properties) -> str:
        return properties.prompt or translated("Use this prompt", "tooltips")

    def act(self, context: bpy.types.Context) -> set[str]:
        set_prompt(context, self.prompt)
        return {"FINISHED"}


class GENAI_RENDER_OT_forget_prompt(TellingOperator):
    """Remove this prompt from the saved ones, the current one if none is named"""

    bl_idname = "genai_render.forget_prompt"
    bl_label = "Remove Saved Prompt"
    bl_options = {"REGISTER"}

    prompt: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Prompt", options={"SKIP_SAVE"}, translation_context=CONTEXT
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not saved_prompts.saved():
            cls.poll_message_set(translated("No prompt is saved", "tooltips"))
            return False
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        prompt = self.prompt or request_builder.prompt_of(scene_settings.settings(context)).strip()
        if prompt not in saved_prompts.saved():
            raise InvalidInput("This prompt is not among the saved ones.")
        saved_prompts.forget(prompt)
        return {"FINISHED"}


class GENAI_RENDER_OT_show_scene_text(TellingOperator):
    """Show what will be added to the prompt from the scene"""

    bl_idname = "genai_render.show_scene_text"
    bl_label = "Show Scene Description"
    bl_options = {"REGISTER"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        return context.window_manager.invoke_popup(self, width=420)  # pyright: ignore

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        column.label(text="Added to the prompt:")
        text = scene_description.describe(context) or "The scene has no names that say anything."
        for line in textwrap.wrap(text, 64):
            column.label(text=line, translate=False)

    def act(self, context: bpy.types.Context) -> set[str]:
        return {"FINISHED"}


class GENAI_RENDER_MT_prompts(bpy.types.Menu):
    bl_idname = "GENAI_RENDER_MT_prompts"
    bl_label = "Prompts"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator("genai_render.save_prompt", icon="ADD")
        layout.operator("genai_render.prompt_to_text", icon="TEXT")
        saved, recent = saved_prompts.saved(), saved_prompts.recent()
        if saved:
            layout.separator()
            layout.label(text="Saved")
            for prompt in saved[:15]:
                _entry(layout, prompt, "BOOKMARKS")
            layout.menu("GENAI_RENDER_MT_forget_prompts", icon="REMOVE")
        if recent:
            layout.separator()
            layout.label(text=translated("Recent"), translate=False)
            for prompt in recent:
                _entry(layout, prompt, "TIME")


class GENAI_RENDER_MT_forget_prompts(bpy.types.Menu):
    bl_idname = "GENAI_RENDER_MT_forget_prompts"
    bl_label = "Remove Saved Prompt"

    def draw(self, context: bpy.types.Context) -> None:
        for prompt in saved_prompts.saved()[:30]:
            operator = self.layout.operator(
                "genai_render.forget_prompt", text=_short(prompt), translate=False
            )
            operator.prompt = prompt


def _entry(layout: bpy.types.UILayout, prompt: str, icon: str) -> None:
    operator = layout.operator(
        "genai_render.use_prompt", text=_short(prompt), icon=icon, translate=False
    )
    operator.prompt = prompt


def _short(prompt: str) -> str:
    text = " ".join(prompt.split())
    return text if len(text) <= 60 else text[:59] + "…"


def set_prompt(context: bpy.types.Context, prompt: str) -> None:
    """Put a prompt where the user writes it now: the text if one is chosen, else the field."""
    settings = scene_settings.settings(context)
    if len(prompt.encode()) > 8000:
        raise InvalidInput("The prompt is too long.", action=f"Keep it under {PROMPT_LIMIT}.")
    if settings.prompt_text is not None:
        settings.prompt_text.from_string(prompt)
    else:
        settings.prompt = prompt


_CLASSES = (
    GenAIPromptLine,
    GENAI_RENDER_OT_edit_prompt,
    GENAI_RENDER_OT_prompt_to_text,
    GENAI_RENDER_OT_save_prompt,
    GENAI_RENDER_OT_use_prompt,
    GENAI_RENDER_OT_forget_prompt,
    GENAI_RENDER_OT_show_scene_text,
    GENAI_RENDER_MT_forget_prompts,
    GENAI_RENDER_MT_prompts,
)

register, unregister = bpy.utils.register_classes_factory(_CLASSES)
