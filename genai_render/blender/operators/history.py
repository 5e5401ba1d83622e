# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done in History: select, mark, compare, recall, delete and restore."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportOptionalMemberAccess=false, reportReturnType=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from typing import TYPE_CHECKING, Any

import bpy

from ...core.errors import GenAIError
from .. import catalog, redraw
from ..jobs import history_page, scene_state, session
from ..panels import details, history_browser
from ..settings import choices, options, reference_store, scene_settings, window_state
from ..translation import CONTEXT, translated
from ..viewport import overlay
from .reporting import ItemOperator, TellingOperator, attempt, open_folder

if TYPE_CHECKING:
    from ...core.history.item import Item


class GENAI_RENDER_OT_select(TellingOperator):
    """Click: show it over the view. Shift-click: compare it, or not any more"""

    bl_idname = "genai_render.select"
    bl_label = "Select Image"
    bl_options = {"INTERNAL"}

    id: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]
    compare: bpy.props.BoolProperty(options={"HIDDEN", "SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        item = history_page.item(properties.id)
        if item is None:
            return translated("Select this image", "tooltips")
        told = scene_state.text(item)
        facts = f"{_facts(item)}\n{told}" if told else _facts(item)
        return f"{item.prompt}\n\n{facts}\n\n{translated(cls.__doc__ or '', 'tooltips')}"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        self.compare = event.shift
        done = self.execute(context)
        redraw.popup(context)
        return done

    def act(self, context: bpy.types.Context) -> set[str]:
        state = window_state.window(context)
        compared = _compared()
        if self.compare and (compared or state.selected not in ("", self.id)):
            ids = compared or [state.selected]
            if self.id in ids:
                ids.remove(self.id)
            elif len(ids) >= overlay.MOST_COMPARED:
                self.report(
                    {"WARNING"},
                    translated(f"At most {overlay.MOST_COMPARED} images are compared", "reports"),
                )
            else:
                ids.append(self.id)
            if len(ids) > 1:
                overlay.show(context, ids, compared=True)
                return {"FINISHED"}
            self.id = ids[0]
        state.selected = self.id
        ids = history_page.siblings(self.id)
        overlay.show(context, ids, ids.index(self.id))
        return {"FINISHED"}


def _compared() -> list[str]:
    """The images that lie side by side now."""
    shown = overlay.shown()
    return list(shown.ids) if shown is not None and shown.compared else []


def _facts(item: "Item") -> str:
    known = catalog.catalog()
    model, style = known.models.get(item.model), known.styles.get(item.style)
    cost = "unknown" if item.cost_usd is None else f"${item.cost_usd:.3f}"
    facts = {
        "Style": style.label if style is not None else item.style,
        "Model": model.label if model is not None else item.model,
        "Seed": "none" if item.seed is None else str(item.seed),
        "Cost": "free" if item.cost_usd == 0 else cost,
    }
    return "\n".join(
        f"{translated(name, 'tooltips')}: {translated(value, 'tooltips')}"
        for name, value in facts.items()
        if value
    )


class GENAI_RENDER_OT_leave_comparison(TellingOperator):
    """Show one image again"""

    bl_idname = "genai_render.leave_comparison"
    bl_label = "Leave Comparison"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not _compared():
            cls.poll_message_set(translated("No images are compared", "tooltips"))
            return False
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        compared, state = _compared(), window_state.window(context)
        state.selected = state.selected if state.selected in compared else compared[0]
        ids = history_page.siblings(state.selected)
        overlay.show(context, ids, ids.index(state.selected))
        redraw.popup(context)
        return {"FINISHED"}


class GENAI_RENDER_OT_browse(TellingOperator):
    """Look through History with large pictures"""

    bl_idname = "genai_render.browse"
    bl_label = "Browse History"
    bl_options = {"REGISTER"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        self._shape = history_browser.shape(context)
        return context.window_manager.invoke_popup(self, width=self._shape.width)  # pyright: ignore

    def draw(self, context: bpy.types.Context) -> None:
        history_browser.draw(self.layout, context, self._shape)

    def act(self, context: bpy.types.Context) -> set[str]:
        return {"FINISHED"}


class GENAI_RENDER_OT_turn_page(TellingOperator):
    """Show later or earlier images"""

    bl_idname = "genai_render.turn_page"
    bl_label = "Turn History Page"
    bl_options = {"REGISTER"}

    by: bpy.props.IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Pages", description="How many, towards the older ones", default=1
    )

    def act(self, context: bpy.types.Context) -> set[str]:
        history_page.turn(self.by)
        redraw.popup(context)
        return {"FINISHED"}


class GENAI_RENDER_OT_compare(ItemOperator):
    """Show the selected image and up to three next to it in History side by side"""

    bl_idname = "genai_render.compare"
    bl_label = "Compare Images"
    bl_options = {"REGISTER"}

    count: bpy.props.IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Images", description="How many to show", min=2, max=overlay.MOST_COMPARED, default=2
    )
    line: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Made From",
        description="The image beside those that it was made from, the last ones of them",
        options={"SKIP_SAVE"},
    )

    def act(self, context: bpy.types.Context) -> set[str]:
        item = self.item(context)
        if self.line:
            before = [one.id for one in history_page.line(item.id).before]
            if not before:
                raise GenAIError(
                    "This image was made from no other one.", action="Compare it with its neighbor."
                )
            line = [*before, item.id][-overlay.MOST_COMPARED :]
            overlay.show(context, line, compared=True)
            return {"FINISHED"}
        ids = [one.id for one in history_page.page(context).items]
        at = ids.index(item.id) + 1 if item.id in ids else 0
        others = [one for one in (*ids[at:], *ids[:at][::-1]) if one != item.id]
        chosen = [item.id, *others][: self.count]
        if len(chosen) < 2:
            raise GenAIError("There is only one image.", action="Make another one first.")
        overlay.show(context, chosen, compared=True)
        return {"FINISHED"}


class GENAI_RENDER_OT_favourite(ItemOperator):
    """Mark the image as a favorite, or not any more"""

    bl_idname = "genai_render.favourite"
    bl_label = "Toggle Favorite"
    bl_options = {"REGISTER"}

    def act(self, context: bpy.types.Context) -> set[str]:
        item = self.item(context)
        session.session().store.set_favourite(item.id, not item.favourite)
        history_page.invalidate()
        redraw.popup(context)
        return {"FINISHED"}


class GENAI_RENDER_OT_delete(ItemOperator):
    """Move the image to the deleted ones, from where it can be restored"""

    bl_idname = "genai_render.delete"
    bl_label = "Delete Image"
    bl_options = {"REGISTER"}

    def act(self, context: bpy.types.Context) -> set[str]:
        item = self.item(context)
        session.session().delete(item.id)
        if overlay.shown() is not None:
            overlay.hide()
        window_state.window(context).selected = ""
        history_page.invalidate()
        redraw.popup(context)
        return {"FINISHED"}


class GENAI_RENDER_OT_restore(TellingOperator):
    """Take back the image that was deleted last, or the one that is selected among the deleted"""

    bl_idname = "genai_render.restore"
    bl_label = "Restore Deleted Image"
    bl_translation_context = CONTEXT
    bl_options = {"REGISTER"}

    id: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        current = session.opened()
        deleted = current is not None and current.last_deleted
        if not deleted and not window_state.window(context).show_bin:
            cls.poll_message_set(
                translated(
                    "Nothing was deleted just now. Turn on Deleted in the filters", "tooltips"
                )
            )
            return False
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        state, current = window_state.window(context), session.session()
        item_id = self.id or (state.selected if state.show_bin else "") or current.last_deleted
        item = current.restore(item_id)
        state.selected = item.id
        history_page.invalidate()
        redraw.popup(context)
        return {"FINISHED"}


class GENAI_RENDER_OT_empty_bin(TellingOperator):
    """Erase all deleted images, which cannot be undone"""

    bl_idname = "genai_render.empty_bin"
    bl_label = "Delete for Good"
    bl_options = {"REGISTER"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        return context.window_manager.invoke_confirm(self, event)  # pyright: ignore

    def act(self, context: bpy.types.Context) -> set[str]:
        erased = session.session().store.empty_bin()
        history_page.invalidate()
        self.report({"INFO"}, translated(f"{erased} images are deleted for good", "reports"))
        return {"FINISHED"}


class GENAI_RENDER_OT_reveal(ItemOperator):
    """Open the folder with the image and all that made it in the file manager"""

    bl_idname = "genai_render.reveal"
    bl_label = "Show in File Manager"
    bl_options = {"REGISTER"}

    def act(self, context: bpy.types.Context) -> set[str]:
        return open_folder(context, self.item(context).folder)


class GENAI_RENDER_OT_recall(ItemOperator):
    """Take over prompt, model, style, options, seed and references of the image"""

    bl_idname = "genai_render.recall"
    bl_label = "Recall Settings"
    bl_options = {"REGISTER", "UNDO"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        settings = scene_settings.settings(context)
        text = (settings.prompt_text is not None) or settings.prompt.strip()
        if text or any(slot.digest for slot in scene_settings.references(settings)):
            return context.window_manager.invoke_props_dialog(  # pyright: ignore
                self, width=360, confirm_text="Recall"
            )
        return self.execute(context)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.label(text="Your prompt, settings and references will be replaced.")
        layout.label(text="Undo brings them back.")

    def act(self, context: bpy.types.Context) -> set[str]:
        item = self.item(context)
        request = session.session().store.request(item.id)
        scene, settings = context.scene, scene_settings.settings(context)
        models = catalog.catalog().models
        settings.prompt_text = None
        settings.prompt = request.prompt
        # What is not there any more is shown as missing: another would make another image.
        choices.MODEL.choose(settings, request.model)
        choices.STYLE.choose(settings, request.style)
        if request.model in models:
            model = models[request.model]
            lost = options.set_option_values(scene, model, request.options)
            if lost:
                text = f"{model.label} has these no more: {', '.join(lost)}"
                self.report({"WARNING"}, translated(text, "reports"))
        settings.aspect, settings.resolution = request.aspect, request.resolution
        settings.count, settings.mode = request.count, request.mode
        settings.closeness = request.closeness
        settings.enhance = request.enhance
        settings.use_canvas = request.canvas is not None
        seed = item.seed if item.seed is not None else request.seed
        settings.use_seed = seed is not None
        settings.seed = seed or 0
        settings.parent = item.id
        for slot in scene_settings.references(settings):
            reference_store.clear(slot)
        for slot, reference in zip(scene_settings.references(settings), request.references):  # noqa: B905
            reference_store.fill(
                slot, reference.data, reference.name, reference.role, reference.weight
            )
        return {"FINISHED"}


class GENAI_RENDER_OT_details(ItemOperator):
    """Everything that is known about the image"""

    bl_idname = "genai_render.details"
    bl_label = "Show Image Details"
    bl_options = {"REGISTER"}

    if TYPE_CHECKING:  # else Blender would load it to see whether it is a property
        _known: details.Details

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        def ask() -> Any:
            # Read once: the pop-up is drawn again at every move of the mouse.
            self._known = details.gather(self.item(context))
            return context.window_manager.invoke_popup(self, width=details.WIDTH)

        return attempt(self, ask)

    def draw(self, context: bpy.types.Context) -> None:
        details.draw(self.layout, context, self._known)

    def act(self, context: bpy.types.Context) -> set[str]:
        return {"FINISHED"}


class GENAI_RENDER_OT_copy_prompt(ItemOperator):
    """Copy the image's prompt to the clipboard"""

    bl_idname = "genai_render.copy_prompt"
    bl_label = "Copy Prompt"
    bl_options = {"REGISTER"}

    def act(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.clipboard = self.item(context).prompt
        return {"FINISHED"}


_CLASSES = (
    GENAI_RENDER_OT_select,
    GENAI_RENDER_OT_leave_comparison,
    GENAI_RENDER_OT_browse,
    GENAI_RENDER_OT_turn_page,
    GENAI_RENDER_OT_compare,
    GENAI_RENDER_OT_favourite,
    GENAI_RENDER_OT_delete,
    GENAI_RENDER_OT_restore,
    GENAI_RENDER_OT_empty_bin,
    GENAI_RENDER_OT_reveal,
    GENAI_RENDER_OT_recall,
    GENAI_RENDER_OT_details,
    GENAI_RENDER_OT_copy_prompt,
)

register, unregister = bpy.utils.register_classes_factory(_CLASSES)
