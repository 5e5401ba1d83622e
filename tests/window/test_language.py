# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in another language: chosen in the preferences, and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .blender_window import BlenderWindow

LOOK = """
labels = bpy.app.translations
operator = bpy.app.translations.contexts.operator_default
prepared = ours("jobs.request_builder").prepared(bpy.context)
settings = bpy.context.scene.genai_render
styles = type(settings).bl_rna.properties["style"]
answer = {
    "panel": labels.pgettext_iface("References"),
    "operator": labels.pgettext_iface("Generate Image", operator),
    "tooltip": labels.pgettext_tip("Make an image of this view as the prompt says"),
    "problem": ours("translation").translated(prepared.problem.text),
    "styles": [item[1] for item in ours("settings.choices").STYLE._items(settings, bpy.context)],
}
"""


def speak(window: BlenderWindow, language: str) -> None:
    window.run(f"bpy.context.preferences.view.language = {language!r}")
    window.settle(1)


@pytest.fixture
def any_language(scene: BlenderWindow) -> Iterator[BlenderWindow]:
    yield scene
    speak(scene, "en_US")


def test_german_and_back(any_language: BlenderWindow) -> None:
    """Without a restart, and with Blender's own translation staying what it is."""
    english = any_language.run(LOOK)
    assert english["panel"] == "References"
    assert "Comic" in english["styles"]
    speak(any_language, "de_DE")
    any_language.screenshot("language-german")
    german = any_language.run(LOOK)
    assert german["panel"] == "Referenzen"
    assert german["operator"] == "Bild erzeugen"
    assert german["tooltip"] == "Ein Bild dieser Ansicht machen, wie der Prompt es sagt"
    assert german["problem"].startswith("Der Prompt ist leer. Sagen Sie, was Sie sehen möchten")
    assert "Japanischer Anime" in german["styles"]
    speak(any_language, "en_US")
    assert any_language.run(LOOK) == english


def test_a_language_without_a_table_is_english(any_language: BlenderWindow) -> None:
    speak(any_language, "de_DE")
    speak(any_language, "eo")
    told = any_language.run(LOOK)
    assert told["operator"] == "Generate Image"
    assert told["problem"].startswith("The prompt is empty.")


@pytest.mark.parametrize(("language", "generate"), [("ja_JP", "生成"), ("zh_HANS", "生成")])
def test_the_panel_is_drawn_in_a_script_of_its_own(
    any_language: BlenderWindow, language: str, generate: str
) -> None:
    speak(any_language, language)
    label = any_language.run("answer = ours('translation').translated('Generate')")
    assert label == generate
    any_language.screenshot(f"language-{language}")


def test_a_layer_that_blender_has_named_in_german_asks_for_nothing(
    any_language: BlenderWindow,
) -> None:
    """A name of one's own is an instruction; the one that a new layer has is none."""
    window = any_language
    window.run("bpy.context.preferences.view.use_translate_new_dataname = True")
    speak(window, "de_DE")
    window.run("with override(): bpy.ops.wm.tool_set_by_id(name='builtin.annotate')")
    window.settle(0.5)
    x, y, width, height = window.region()
    window.drag((x + width * 0.3, y + height * 0.4), (x + width * 0.5, y + height * 0.6))
    window.wait_for(f"bool({_LAYERS})", 20)
    assert window.run(f"answer = [layer.info for layer in {_LAYERS}]") == ["Notiz"]
    read = f"answer = ours('jobs.annotated')._instructions({_ANNOTATION})"
    assert window.run(read) == []
    window.run(f"{_LAYERS}[0].info = 'die Lampe weg'")
    assert window.run(read) == ["die Lampe weg"]
    window.run("with override(): bpy.ops.wm.tool_set_by_id(name='builtin.select_box')")


_ANNOTATION = (
    "getattr(bpy.context.scene, 'annotation', None) or "
    "getattr(bpy.context.scene, 'grease_pencil', None)"
)
_LAYERS = f"getattr({_ANNOTATION}, 'layers', ())"
