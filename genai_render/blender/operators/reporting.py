# SPDX-License-Identifier: GPL-3.0-or-later
"""How an operator tells that something went wrong: in words, never as a Python error."""

# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ...core import log
from ...core.errors import GenAIError
from ..jobs import history_page
from ..settings import window_state
from ..translation import CONTEXT, translated

if TYPE_CHECKING:
    from ...core.history.item import Item


class TellingOperator(bpy.types.Operator):
    """An operator whose `act` may raise a GenAIError; the user reads what it says."""

    def act(self, context: bpy.types.Context) -> set[str]:
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:  # pyright: ignore
        return attempt(self, lambda: self.act(context))


class ItemOperator(TellingOperator):
    """Acts on one item of History: the one that is named, else the one that is selected."""

    id: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Item",
        translation_context=CONTEXT,
        description="The id of an item of History; the selected one if it is empty",
        options={"HIDDEN", "SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_selection(cls, context)

    def item_id(self, context: bpy.types.Context) -> str:
        return self.id or window_state.window(context).selected

    def item(self, context: bpy.types.Context) -> "Item":
        found = history_page.item(self.item_id(context))
        if found is None:
            raise GenAIError("This image is not in History any more.")
        return found


def has_selection(cls: type, context: bpy.types.Context) -> bool:
    if not window_state.window(context).selected and history_page.known_empty():
        cls.poll_message_set(translated("Select an image in History first", "tooltips"))  # pyright: ignore
        return False
    return True


def shows_a_view(cls: type, context: bpy.types.Context) -> bool:
    """For what needs to know where the selected image was seen from."""
    if not has_selection(cls, context):
        return False
    selected = window_state.window(context).selected
    if selected and not history_page.made_from_view(selected):
        cls.poll_message_set(translated("This image was made without a view", "tooltips"))  # pyright: ignore
        return False
    return True


def draw_facts(layout: Any, *facts: str) -> None:
    """What will be made and what it costs, below a dialog's fields; what is empty is left out."""
    row = layout.row()
    row.active = False
    row.label(text=", ".join(fact for fact in facts if fact), translate=False)


def undo_step(name: str) -> None:
    """Of its own, for what happens after an operator has ended, or must not run again."""
    if not bpy.app.background:
        bpy.ops.ed.undo_push(message=name)


def open_folder(context: bpy.types.Context, folder: Path) -> set[str]:
    """Show a folder in the file manager. Raises GenAIError where there is none to show it with."""
    import shutil

    if sys.platform.startswith("linux") and shutil.which("xdg-open") is None:
        context.window_manager.clipboard = str(folder)
        raise GenAIError(
            "This system has no xdg-open to start a file manager with.",
            action="The path of the folder is on the clipboard now.",
        )
    return bpy.ops.wm.path_open(filepath=str(folder))  # pyright: ignore[reportReturnType]


def attempt(operator: bpy.types.Operator, act: Callable[[], set[str]]) -> Any:
    try:
        return act()
    except GenAIError as error:
        operator.report({"ERROR"}, translated(error.text, "reports"))
    except Exception as failure:
        import traceback

        traceback.print_exception(failure)
        operator.report({"ERROR"}, translated(log.internal_error(failure).text, "reports"))
    return {"CANCELLED"}
