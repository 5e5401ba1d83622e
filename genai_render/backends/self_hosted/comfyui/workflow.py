# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows of ComfyUI in its API format: where our inputs go in one, and what it needs.

A place in a workflow is written "node.input", such as "6.text". Which places an input has is found
by the nodes' titles and classes; a mapping, a plain table, says it where that is not enough.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....core.errors import GenAIError, InvalidInput, StorageError
from ....core.models.catalog import Option, OptionKind
from ....core.request import OptionValue
from ..errors import InvalidWorkflow, MissingPart
from .inputs import IMAGE_INPUTS, INPUTS, LABELS

MAX_BYTES = 8 * 1024 * 1024

# Which input a node's title tells of. The first that is found counts.
_TITLE_WORDS: tuple[tuple[str, str], ...] = (
    ("reference_2", r"\bref(erence)?[ _-]*2\b"),
    ("reference_1", r"\bref(erence)?([ _-]*1)?\b|\bstyle image\b"),
    ("depth", r"\bdepth\b"),
    ("normal", r"\bnormals?\b"),
    ("mask", r"\bmask\b"),
    ("source", r"\b(source|edit)\b"),
    ("color", r"\b(canvas|colou?r|view|viewport|input|image)\b"),
)
_LOADERS = ("LoadImage", "LoadImageMask", "LoadImageOutput", "ImageLoader")
_OPTIONS_IN_TITLE = re.compile(r"\[([\w, ]+)\]")
_OUTPUT_CLASSES = re.compile(r"Save|Preview|Output|Websocket", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow and where things go in it.

    graph: in API format, by node id. places: by input, each a list of "node.input".
    option_places: by option id. needs: where a model's file comes from, by file name.
    packs: which pack a node class comes with.
    """

    name: str
    graph: Mapping[str, Any]
    places: Mapping[str, tuple[str, ...]]
    options: tuple[Option, ...] = ()
    option_places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    packs: Mapping[str, str] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The node classes that it uses, each once."""
        return tuple(dict.fromkeys(str(node["class_type"]) for node in self.graph.values()))

    @property
    def titles(self) -> dict[str, str]:
        """Of the nodes, by id, without the marks of options."""
        return {id: plain_title(node) for id, node in self.graph.items()}

    @property
    def names(self) -> dict[str, str]:
        """Of the nodes, by id: their titles, with the id where two have the same."""
        titles = self.titles
        often = Counter(titles.values())
        return {id: f"{t} {id}" if often[t] > 1 else t for id, t in titles.items()}

    def takes(self, name: str) -> bool:
        return bool(self.places.get(name))

    def filled(
        self,
        values: Mapping[str, Any],
        options: Mapping[str, OptionValue],
        specs: Mapping[str, Mapping[str, Any]],
    ) -> dict[str, Any]:
        """The graph as it is sent. values: by input; an image that is not there is taken out,
        where every node that it goes to can do without. specs: of the node classes.

        Raises InvalidInput where it cannot do without.
        """
        graph: dict[str, Any] = copy.deepcopy(dict(self.graph))
        for name, places in self.places.items():
            if name in values:
                for place in places:
                    _put(graph, place, values[name])
            elif name in IMAGE_INPUTS:
                for place in places:
                    self._take_out(graph, place.partition(".")[0], name, specs)
        for id, places in self.option_places.items():
            option = next((option for option in self.options if option.id == id), None)
            value = options.get(id) if option is None else option.value_in(options)
            if value is not None:
                for place in places:
                    _put(graph, place, value)
        for node in graph.values():
            # A node may have got a new setting since the workflow was exported; the server
            # refuses the node without it.
            for name, value in _defaults(specs.get(str(node["class_type"]), {})).items():
                node["inputs"].setdefault(name, value)
        return graph

    def missing(
        self, graph: Mapping[str, Any], specs: Mapping[str, Mapping[str, Any] | None]
    ) -> list[MissingPart]:
        """What of the graph a server lacks, by what it says of each node class (None: lacks it)."""
        lacking: dict[tuple[str, str], MissingPart] = {}
        filled = {
            place for name in IMAGE_INPUTS for place in self.places.get(name, ())
        }  # the images are uploaded later
        for id, node in graph.items():
            kind = str(node["class_type"])
            spec = specs.get(kind)
            if spec is None:
                lacking["node", kind] = MissingPart("node", kind, self.packs.get(kind, ""))
                for name, value in node["inputs"].items():
                    if isinstance(value, str) and _is_model(kind, name, value):
                        source = self.needs.get(value, "")
                        part = MissingPart("its model", value, _folder(kind, name), source)
                        lacking.setdefault(("model", value), part)
                continue
            for name, value in node["inputs"].items():
                choices = choices_of(spec, name)
                if choices is None or not isinstance(value, str) or f"{id}.{name}" in filled:
                    continue
                if value in choices or value.replace("\\", "/") in (
                    choice.replace("\\", "/") for choice in choices
                ):
                    continue
                option = self._option_at(f"{id}.{name}")
                if _is_model(kind, name, value):
                    source = self.needs.get(value, "")
                    part = MissingPart("model", value, _folder(kind, name), source, choices, option)
                else:
                    where = f"{plain_title(node)}: {name}"
                    part = MissingPart("setting", value, where, "", choices, option)
                lacking["model", value] = part
        return list(lacking.values())

    def _option_at(self, place: str) -> str:
        """The label of the option that sets that place; "" for none."""
        for option in self.options:
            if place in self.option_places.get(option.id, ()):
                return option.label
        return ""

    def _take_out(
        self, graph: dict[str, Any], id: str, name: str, specs: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Remove a node and what hangs on it, up to inputs that may be left empty."""
        if id not in graph:
            return
        gone = [id]
        while gone:
            lost = gone.pop()
            graph.pop(lost, None)
            for other, node in list(graph.items()):
                spec = specs.get(str(node["class_type"]), {})
                links = [key for key, value in node["inputs"].items() if _links_to(value, lost)]
                if any(key not in (spec.get("input", {}).get("optional") or {}) for key in links):
                    if _OUTPUT_CLASSES.search(str(node["class_type"])):
                        raise InvalidInput(
                            f'"{self.name}" needs {LABELS[name]}.', action=_GET[name]
                        )
                    gone.append(other)
                    continue
                for key in links:
                    del node["inputs"][key]


_GET = {
    "color": "Turn the view on.",
    "depth": "Turn the view on, and have something in it.",
    "normal": "Turn the view on, and have something in it.",
    "mask": "Draw a mask on the image first.",
    "source": "Choose an image of History and edit it.",
    "reference_1": "Choose a reference image.",
    "reference_2": "Choose two reference images.",
}


def read(path: Path) -> dict[str, Any]:
    """The graph in an exported file. Raises StorageError, InvalidWorkflow if it is none."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidWorkflow(f'"{path.name}" is too large for a workflow.')
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StorageError(f'"{path.name}" cannot be read.', f"({error.strerror})") from error
    except UnicodeDecodeError:
        text = ""
    try:
        return checked(json.loads(text), path.name)
    except ValueError:
        pass
    raise InvalidWorkflow(f'"{path.name}" is not a workflow.', "It is not JSON.", _EXPORT)


_EXPORT = 'In ComfyUI, choose "Export (API)" in the workflow menu, and use that file.'


def checked(values: Any, name: str) -> dict[str, Any]:
    """Values as a graph in API format. Raises InvalidWorkflow, which says how to get one."""
    if isinstance(values, dict) and isinstance(values.get("prompt"), dict):
        values = values["prompt"]  # as some tools wrap it
    if isinstance(values, dict) and isinstance(values.get("nodes"), list):
        raise InvalidWorkflow(
            f'"{name}" is a workflow for ComfyUI\'s window, which its server cannot run.',
            "",
            _EXPORT,
        )
    good = (
        isinstance(values, dict)
        and bool(values)
        and all(
            isinstance(node, dict)
            and isinstance(node.get("class_type"), str)
            and isinstance(node.get("inputs"), dict)
            for node in values.values()
        )
    )
    if not good:
        raise InvalidWorkflow(f'"{name}" is not a workflow in API format.', "", _EXPORT)
    return {str(id): node for id, node in values.items()}


def of_graph(
    name: str, graph: Mapping[str, Any], mapping: Mapping[str, Any] | None = None
) -> Workflow:
    """A workflow of anybody's: places found in it, and `mapping` over them.

    mapping: {"inputs": {"depth": ["12.image"]}, "options": [{"id": "steps", "label": "Steps",
    "kind": "int", "default": 20, "places": ["3.steps"]}]}. An empty list takes an input away.
    Raises InvalidWorkflow for a place that is not there.
    """
    places = find_places(graph)
    options, option_places = _marked(graph)
    if mapping:
        given = mapping.get("inputs", {})
        if not isinstance(given, Mapping):
            raise InvalidWorkflow(f'The mapping of "{name}" has no table of inputs.')
        for key, value in given.items():
            if key not in INPUTS:
                raise InvalidWorkflow(
                    f'The mapping of "{name}" has an input that does not exist: "{key}".',
                    action=f"Known: {', '.join(INPUTS)}.",
                )
            places[key] = tuple(map(str, [value] if isinstance(value, str) else value))
        if "options" in mapping:
            options, option_places = _given_options(name, mapping["options"])
    for spot in (*places.values(), *option_places.values()):
        for place in spot:
            id, _, key = place.partition(".")
            if id not in graph or not key:
                raise InvalidWorkflow(
                    f'The workflow "{name}" has no place "{place}".',
                    "It was changed after its mapping was made.",
                    "Map its inputs again.",
                )
    return Workflow(
        name,
        graph,
        {key: value for key, value in places.items() if value},
        tuple(options),
        option_places,
        mapping.get("needs", {}) if mapping else {},
        mapping.get("packs", {}) if mapping else {},
    )


def find_places(graph: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Where our inputs go, by the nodes' titles, then by their classes."""
    places: dict[str, list[str]] = {}

    def add(name: str, place: str) -> None:
        places.setdefault(name, []).append(place)

    nameless = []
    for id, node in graph.items():
        if node["class_type"] not in _LOADERS or "image" not in node["inputs"]:
            continue
        title = title_of(node).lower()
        name = "mask" if node["class_type"] == "LoadImageMask" else _named(title, node)
        if name is None:
            nameless.append(f"{id}.image")
        else:
            add(name, f"{id}.image")
    if "color" not in places and nameless:
        add("color", nameless.pop(0))
    for number, place in enumerate(nameless[:2], start=1):
        if f"reference_{number}" not in places:
            add(f"reference_{number}", place)
    for place, sign in _texts(graph):
        add(sign, place)
    for id, node in graph.items():
        inputs, title = node["inputs"], title_of(node).lower()
        for key in ("seed", "noise_seed"):
            if _is_number(inputs.get(key)):
                add("seed", f"{id}.{key}")
        makes_size = node["class_type"].startswith("Empty") or re.search(r"\bsize\b", title)
        if makes_size and _is_number(inputs.get("width")) and _is_number(inputs.get("height")):
            add("width", f"{id}.width")
            add("height", f"{id}.height")
        if re.search(r"\bcount\b", title):
            for key in ("batch_size", "amount", "value"):
                if _is_number(inputs.get(key)):
                    add("count", f"{id}.{key}")
                    break
    return {name: tuple(places) for name, places in places.items()}


def title_of(node: Mapping[str, Any]) -> str:
    """What the node is called in ComfyUI's window; its class where it has no title."""
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return " ".join(str(title or node["class_type"]).split())[:80]


def plain_title(node: Mapping[str, Any]) -> str:
    """Its title without the marks of options."""
    return _OPTIONS_IN_TITLE.sub("", title_of(node)).strip() or str(node["class_type"])


def outputs_of(outputs: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], set[str]]:
    """The images among a job's outputs, saved ones before previews, and the kinds of all."""
    saved, shown, kinds = [], [], set()
    for node in outputs.values():
        if not isinstance(node, Mapping):
            continue
        for kind, entries in node.items():
            if kind == "animated" or not isinstance(entries, list):
                continue
            for entry in entries:
                if not isinstance(entry, Mapping) or not entry.get("filename"):
                    kinds.add(str(kind))
                    continue
                if kind != "images" or not _looks_like_image(str(entry["filename"])):
                    kinds.add(Path(str(entry["filename"])).suffix.lstrip(".") or str(kind))
                    continue
                (saved if entry.get("type") == "output" else shown).append(entry)
    return saved or shown, kinds


def load(
    read_file: Callable[[], Mapping[str, Any]], name: str, mapping: Mapping[str, Any] | None
) -> Workflow | GenAIError:
    """The workflow, or why there is none: for a list that shows both."""
    try:
        return of_graph(name, read_file(), mapping)
    except GenAIError as error:
        return error


def _named(title: str, node: Mapping[str, Any]) -> str | None:
    if title == str(node["class_type"]).lower() or title == "load image":
        return None
    for name, words in _TITLE_WORDS:
        if re.search(words, title):
            return name
    return None


def _texts(graph: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Places of prompts: by title, else those that a sampler's conditions come from."""
    by_node: dict[str, str] = {}
    for id, node in graph.items():
        title = title_of(node).lower()
        key = _text_key(node)
        if key is None:
            continue
        if re.search(r"\bnegative\b", title):
            by_node[f"{id}.{key}"] = "negative"
        elif re.search(r"\b(positive|prompt)\b", title) and title != "clip text encode (prompt)":
            by_node[f"{id}.{key}"] = "positive"
    for sign in ("positive", "negative"):
        if sign in by_node.values():
            continue
        for node in graph.values():
            source = node["inputs"].get(sign)
            if isinstance(source, list):
                place = _text_behind(graph, str(source[0]))
                if place is not None and place not in by_node:
                    by_node[place] = sign
    if "positive" not in by_node.values():
        # Samplers of the newer kind have a guider, whose condition has another name.
        for id, node in graph.items():
            key = _text_key(node)
            if key is not None and f"{id}.{key}" not in by_node:
                by_node[f"{id}.{key}"] = "positive"
                break
    return by_node.items()


def _text_behind(graph: Mapping[str, Any], id: str) -> str | None:
    """The prompt's place from which a condition comes, through whatever is between."""
    seen = set()
    wave = [id]
    while wave:
        id = wave.pop(0)
        if id in seen or id not in graph:
            continue
        seen.add(id)
        node = graph[id]
        if "ZeroOut" in node["class_type"]:
            return None
        key = _text_key(node)
        if key is not None:
            return f"{id}.{key}"
        wave += [str(value[0]) for value in node["inputs"].values() if _is_link(value)]
    return None


def _text_key(node: Mapping[str, Any]) -> str | None:
    kind = str(node["class_type"])
    hint = re.search(r"\b(positive|negative|prompt)\b", title_of(node).lower())
    if hint is None and "Prompt" not in kind and "Text" not in kind:
        return None
    for key in ("text", "prompt", "value", "clip_l", "text_g"):
        if isinstance(node["inputs"].get(key), str):
            return key
    return None


def _marked(graph: Mapping[str, Any]) -> tuple[list[Option], dict[str, tuple[str, ...]]]:
    """Widgets that a title marks, as in "Sampler [steps, cfg]", as options of the panel."""
    options: dict[str, Option] = {}
    places: dict[str, tuple[str, ...]] = {}
    for id, node in graph.items():
        marked = _OPTIONS_IN_TITLE.search(title_of(node))
        if marked is None:
            continue
        plain = plain_title(node)
        for key in (word.strip() for word in marked.group(1).split(",")):
            value = node["inputs"].get(key)
            kind = _kind(value)
            if kind is None:
                continue
            name = key if key not in options else f"{key}_{id}"
            label = _label(key, plain, key in options)
            options[name] = Option(name, label, kind, value, f"{key} of the node {plain}")
            places[name] = (f"{id}.{key}",)
    return list(options.values()), places


def options_at(name: str, graph: Mapping[str, Any], places: Iterable[str]) -> list[dict[str, Any]]:
    """The options of a mapping for places, with their values as defaults. Raises
    InvalidWorkflow for a place that is none."""
    options: dict[str, dict[str, Any]] = {}
    for place in places:
        id, _, key = place.partition(".")
        node = graph.get(id)
        value = node["inputs"].get(key) if node is not None else None
        kind = _kind(value)
        if node is None or kind is None:
            raise InvalidWorkflow(
                f'The workflow "{name}" has no setting at "{place}".',
                action='Write it as "3.steps": the number of the node, then the setting.',
            )
        options[key if key not in options else f"{key}_{id}"] = {
            "label": _label(key, plain_title(node), key in options),
            "kind": kind,
            "default": value,
            "places": [place],
        }
    return [{"id": id, **values} for id, values in options.items()]


def widgets_for(name: str, graph: Mapping[str, Any]) -> list[str]:
    """The places that can take an input of ours: those of images, of texts or of numbers."""
    places = []
    for id, node in graph.items():
        for key, value in node["inputs"].items():
            if name in IMAGE_INPUTS:
                fits = isinstance(value, str) and (
                    key == "image" or (key == "value" and "Image" in str(node["class_type"]))
                )
            elif name in ("positive", "negative"):
                fits = isinstance(value, str) and not _is_model(str(node["class_type"]), key, value)
            else:
                fits = isinstance(value, int) and not isinstance(value, bool)
            if fits:
                places.append(f"{id}.{key}")
    return places


def _label(key: str, title: str, taken: bool) -> str:
    label = key.replace("_", " ").title()
    return f"{label} ({title})" if taken else label


def _kind(value: Any) -> OptionKind | None:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    return "text" if isinstance(value, str) else None


def _given_options(name: str, given: Any) -> tuple[list[Option], dict[str, tuple[str, ...]]]:
    options, places = [], {}
    try:
        for entry in given:
            values = dict(entry)
            where = values.pop("places")
            if "choices" in values:
                values["choices"] = tuple(values["choices"])
            option = Option(**values)
            options.append(option)
            places[option.id] = tuple(map(str, [where] if isinstance(where, str) else where))
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidWorkflow(
            f'The mapping of "{name}" has an option that cannot be used.', f"({error})"
        ) from error
    return options, places


def _put(graph: dict[str, Any], place: str, value: Any) -> None:
    id, _, key = place.partition(".")
    if id in graph:
        graph[id]["inputs"][key] = value


def choices_of(spec: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """What a widget can be, where the server lists it."""
    for group in ("required", "optional"):
        entry = (spec.get("input", {}).get(group) or {}).get(name)
        if not isinstance(entry, list) or not entry:
            continue
        about = entry[1] if len(entry) > 1 and isinstance(entry[1], Mapping) else {}
        if about.get("image_upload") or about.get("remote"):
            return None
        listed = about.get("options") if entry[0] == "COMBO" else entry[0]
        if isinstance(listed, list):
            return tuple(str(choice) for choice in listed)
    return None


def _defaults(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Of the required settings that have one, by what the server says of a node class."""
    required = spec.get("input", {}).get("required") or {}
    return {
        name: entry[1]["default"]
        for name, entry in required.items()
        if isinstance(entry, list)
        and len(entry) > 1
        and isinstance(entry[1], Mapping)
        and "default" in entry[1]
    }


_MODEL_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx")


def _is_model(kind: str, name: str, value: str) -> bool:
    return value.lower().endswith(_MODEL_SUFFIXES) or ("Loader" in kind and name.endswith("_name"))


_FOLDERS = {
    "ckpt_name": "models/checkpoints",
    "unet_name": "models/diffusion_models",
    "vae_name": "models/vae",
    "clip_name": "models/text_encoders",
    "clip_name1": "models/text_encoders",
    "clip_name2": "models/text_encoders",
    "control_net_name": "models/controlnet",
    "lora_name": "models/loras",
    "style_model_name": "models/style_models",
    "ipadapter_file": "models/ipadapter",
}


def _folder(kind: str, name: str) -> str:
    if kind == "UpscaleModelLoader":
        return "models/upscale_models"
    if kind == "CLIPVisionLoader":
        return "models/clip_vision"
    return _FOLDERS.get(name, "")


def _links_to(value: Any, id: str) -> bool:
    return _is_link(value) and str(value[0]) == id


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], int)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _looks_like_image(name: str) -> bool:
    return name.lower().endswith((".png", ".jpg", ".jpeg", ".webp"))
