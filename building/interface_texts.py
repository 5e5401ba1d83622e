# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts that a window shows, found in the code and the data.

Found are: in `blender/`, every text that looks like words for people; in `core`, `backends` and
`engine`, whatever an error, a notice or a step of progress may say; in the TOML files, labels and
descriptions. An f-string is found as its template. What looks like words and is none is listed in
UNTRANSLATED; words within messages that do not look like it stand in ALSO. The command line speaks
English.
"""

from __future__ import annotations

import ast
import builtins
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .project import Project

UNTRANSLATED = "untranslated.txt"
ALSO = "translated.txt"
PLACEHOLDER = re.compile(r"\{(\w+)\}")

# What speaks English: the command line, and what is sent to a model.
_ENGLISH = (
    "__main__.py",
    "console.py",
    "blender/cli/",
    "blender/jobs/scene_description.py",
    "core/prompt.py",
    "core/batch/report.py",
    "core/batch/run.py",
    "core/history/schema.py",
    "core/keys/redaction.py",
)
_DATA = (
    "a1111",
    "actions",
    "hosted",
    "models",
    "options",
    "providers",
    "styles",
    "workflows/workflows",
)
_SHOWN = ("description", "good_for", "speed", "source")
_LABELED = ("style", "options", "option")  # the labels of models and providers are names
_NOT_SHOWN = {"log", "re", "getattr", "setattr", "hasattr", "TypeVar", "Literal", "startswith"}
_BUILTIN_ERRORS = {
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}
_WORD = re.compile(r"[A-Z][a-z]+(?![A-Za-z0-9_])")
_WORDS = re.compile(
    r"^\d+ [A-Z][a-z]+$|[A-Za-z]{2,}[,:;]? +[A-Za-z\"({\d]|[ \"}][a-z]{2,}|[A-Za-z]{2,} \{"
)
_CODE = re.compile(
    r"::|^\s*#version|void main|\n|^[a-z_]+\(|\\b|\(\?|^\S+://\S+$|^[\w.]+ (=|IN|LIKE|NOT|>=|<)"
    r"|^(PRAGMA|BEGIN|CREATE|ALTER|DROP|INSERT|SELECT|DELETE|UPDATE|NOT|COMMIT)\b"
)


@dataclass(frozen=True)
class Found:
    text: str
    path: str
    line: int


def texts(project: Project) -> list[Found]:
    """All that has to have a translation."""
    ignored = _listed(project, UNTRANSLATED)
    found = [one for one in everything(project) if one.text.strip() not in ignored]
    found += [Found(text, ALSO, 0) for text in _listed(project, ALSO)]
    return sorted(found, key=lambda one: (one.path, one.line))


def _listed(project: Project, name: str) -> set[str]:
    lines = (project.root / "building" / name).read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("# ")}


def everything(project: Project) -> Iterator[Found]:
    """With what is listed as no words for people."""
    for path in sorted(project.package.rglob("*.py")):
        name = path.relative_to(project.package).as_posix()
        if not name.startswith(_ENGLISH):
            yield from in_code(path.read_text(encoding="utf-8"), name)
    for name in _DATA:
        path = project.package / "data" / f"{name}.toml"
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        yield from _in_tables(data, "", f"data/{name}.toml")
    for path in sorted((project.package / "data" / "packs").glob("*.toml")):
        yield from _in_pack(
            tomllib.loads(path.read_text(encoding="utf-8")), f"data/packs/{path.name}"
        )


# --- code ----------------------------------------------------------------------------------------


def in_code(source: str, path: str) -> Iterator[Found]:
    """The texts of a module. path: within the package."""
    tree = ast.parse(source)
    skipped = set(_skipped(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and _is_operator(node):
            text = ast.get_docstring(node, clean=False)
            if text and "\n" not in text:
                yield Found(text, path, node.lineno)
        if id(node) in skipped:
            continue
        text = template(node)
        if text is not None and _is_for_people(text, path):
            yield Found(bare(text), path, getattr(node, "lineno", 0))


def unwrapped(source: str, path: str) -> Iterator[Found]:
    """Texts that are shown as they are, so that no one translates them: those with values in
    them, and why something cannot be pressed.
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).rpartition(".")[2]
        drawn = [word.value for word in node.keywords if word.arg in ("text", "heading", "title")]
        if called == "report":
            drawn += node.args
        for value in drawn:
            text = template(value) if isinstance(value, ast.JoinedStr) else None
            if text is not None and _WORDS.search(PLACEHOLDER.sub("", text)):
                yield Found(text, path, value.lineno)
        if called == "poll_message_set" and not ast.unparse(node.args[0]).startswith("translated("):
            yield Found(ast.unparse(node.args[0]), path, node.lineno)


def template(node: ast.AST) -> str | None:
    """The text with {names} for its values; None for what is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if not isinstance(node, ast.JoinedStr):
        return None
    text, names = "", []
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        elif isinstance(part, ast.FormattedValue):
            name = _name(part.value).strip("_").lower()
            names.append(name)
            again = names.count(name)
            text += "{" + (name if again == 1 else f"{name}_{again}") + "}"
    return text


def bare(text: str) -> str:
    """Without what joins it to others, as the tables have it."""
    return text.strip().lstrip(".,; ")


def _name(value: ast.AST) -> str:
    if isinstance(value, ast.Name):
        return value.id
    if isinstance(value, ast.Attribute):
        return value.attr
    if isinstance(value, ast.Call):
        if isinstance(value.func, ast.Attribute) and value.func.attr != "join":
            return _name(value.func.value)
        return _name(value.args[0]) if value.args else _name(value.func)
    for inner in ("value", "left", "body", "operand", "elt"):
        if isinstance(getattr(value, inner, None), ast.AST):
            return _name(getattr(value, inner))
    return "value"


def _skipped(tree: ast.AST) -> Iterator[int]:
    """Nodes whose texts are for programmers, by id."""
    for node in ast.walk(tree):
        inner: list[ast.AST] = []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inner.append(node.value)  # a docstring
        elif isinstance(node, ast.JoinedStr):
            inner += [part for part in node.values if isinstance(part, ast.Constant)]
            inner += [
                part.format_spec
                for part in node.values
                if isinstance(part, ast.FormattedValue) and part.format_spec is not None
            ]
        elif isinstance(node, ast.Compare):
            inner += [node.left, *node.comparators]
        elif isinstance(node, ast.Subscript):
            inner.append(node.slice)
        elif isinstance(node, ast.arg) and node.annotation is not None:
            inner.append(node.annotation)
        elif isinstance(node, ast.Assert) and node.msg is not None:
            inner.append(node.msg)
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            inner.append(node.returns)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            inner.append(node.value)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            ends = {called.partition(".")[0], called.rpartition(".")[2]}
            if ends & (_NOT_SHOWN | _BUILTIN_ERRORS):
                inner += node.args
        for one in inner:
            yield from map(id, ast.walk(one))


def _is_operator(node: ast.ClassDef) -> bool:
    return "_OT_" in node.name


def _is_for_people(text: str, path: str) -> bool:
    plain = PLACEHOLDER.sub("", text)
    if _CODE.search(text) or not re.search(r"[A-Za-z]{2}", plain):
        return False
    if _WORDS.search(text):
        return True
    # One word: a label, or a step of the engine.
    return path.startswith(("blender/", "engine/")) and bool(_WORD.fullmatch(text.strip()))


# --- data ----------------------------------------------------------------------------------------


def _in_tables(value: Any, within: str, path: str) -> Iterator[Found]:
    if isinstance(value, list):
        for one in value:
            yield from _in_tables(one, within, path)
    elif isinstance(value, dict):
        parents = (within, "options" if path.endswith("/options.toml") else "")
        for name, one in value.items():
            shown = name in _SHOWN or (name == "label" and any(p in _LABELED for p in parents))
            if shown and isinstance(one, str) and one:
                yield Found(one.rstrip("."), path, 0)
            elif name == "choices" and isinstance(one, list):
                for choice in one:
                    yield Found(choice_label(choice), path, 0)
            else:
                yield from _in_tables(one, name, path)


def _in_pack(pack: dict[str, Any], path: str) -> Iterator[Found]:
    """What the panel shows of a pack of shots; what is sent stays as it is."""
    fields = list(pack.get("field", {}).values())
    shown = [pack["label"], pack["description"]]
    shown += [shot["label"] for shot in pack["shot"]]
    shown += [field["label"] for field in fields]
    for text in shown:
        yield Found(text, path, 0)


def choice_label(choice: str) -> str:
    """As the panel writes a choice of an option."""
    return choice.replace("_", " ").replace("-", " ").title()
