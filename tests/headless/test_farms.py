# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide for farms: its files are what each farm takes, and its commands do what it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from genai_render.core.history.store import HistoryStore
from tests.headless.test_cli import ROOT, SCENES

FARMS = ROOT / "docs" / "farms"
GUIDE = (ROOT / "docs" / "farms.md").read_text(encoding="utf-8")
PARTS = 8

# In place of Blender: the bpy module, which takes the same words after the file's name.
_BLENDER = """#!{python}
import os, subprocess, sys
words = [word for word in sys.argv[1:] if word != "--online-mode"]
assert words[0] == "-b" and words[2:4] == ["--command", "genai_render"], words
os.execv(sys.executable, [sys.executable, "-m", "genai_render", words[1], *words[4:]])
"""


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared storage, with two pictures to make and a `blender` to make them with."""
    folder = tmp_path_factory.mktemp("farm")
    words = [sys.executable, "-c", SCENES, str(folder)]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    (folder / "ball.blend").rename(folder / "scene.blend")
    (folder / "night.toml").write_text(
        '[[batch]]\nprompt = "daylight"\nseed = "1-2"\nmode = "fast"\n'
    )
    shim = folder / "bin" / "blender"
    shim.parent.mkdir()
    shim.write_text(_BLENDER.format(python=sys.executable))
    shim.chmod(0o755)
    return folder


def _environ(farm: Path, **more: str) -> dict[str, str]:
    path = f"{farm / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **more}


def _run(farm: Path, words: list[str], **more: str) -> None:
    here = [word.replace("/farm/", f"{farm}/") for word in words]
    done = subprocess.run(
        here, env=_environ(farm, **more), cwd=farm, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _made(farm: Path) -> int:
    with HistoryStore(farm / "history") as store:
        return store.count()


def _commands(name: str) -> list[list[str]]:
    """The lines of the guide that begin with a word."""
    lines = [line.strip() for line in GUIDE.splitlines() if line.startswith(f"    {name} ")]
    return [shlex.split(line) for line in lines]


def _flamenco(settings: dict[str, Any]) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node, to run what Flamenco would")
    script = FARMS / "genai_render_batch.js"
    words = [node, str(ROOT / "tests" / "servers" / "flamenco.js"), str(script)]
    told = subprocess.run([*words, json.dumps(settings)], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


# The schema of Flamenco's API: AvailableJobType and AvailableJobSetting.
_TYPES = {"string": str, "int32": int, "float": (int, float), "bool": bool}
_SUBTYPES = ("file_path", "dir_path", "file_name", "hashed_file_path")
_VISIBLE = ("visible", "hidden", "submission", "web")
_SETTING = {
    *("key", "type", "subtype", "choices", "propargs", "description", "default", "eval"),
    *("evalInfo", "visible", "required", "editable"),
}
_SETTINGS = {
    **{"blendfile": "/farm/scene.blend", "batch_file": "/farm/night.toml"},
    **{"history": "/farm/history", "parts": 2, "max_cost": 1.5, "online": True},
}


def test_the_job_type_is_as_flamenco_describes_them() -> None:
    described = _flamenco(_SETTINGS)["type"]
    assert set(described) <= {"label", "description", "settings"}
    keys = [setting["key"] for setting in described["settings"]]
    assert set(keys) == set(_SETTINGS)
    for setting in described["settings"]:
        assert set(setting) <= _SETTING, setting
        kind = _TYPES[setting["type"]]
        assert isinstance(_SETTINGS[setting["key"]], kind)
        assert setting.get("subtype", "file_path") in _SUBTYPES
        assert setting.get("visible", "visible") in _VISIBLE
        if "default" in setting:
            assert isinstance(setting["default"], kind)
        else:
            assert setting["required"] is True


def test_its_tasks_make_all_parts_and_then_the_page(farm: Path) -> None:
    tasks = _flamenco(_SETTINGS)["tasks"]
    assert [task["name"] for task in tasks] == ["part-1-of-2", "part-2-of-2", "report"]
    assert {task["type"] for task in tasks} == {"blender"}
    assert tasks[-1]["dependencies"] == ["part-1-of-2", "part-2-of-2"]
    for task in tasks:
        (command,) = task["commands"]
        assert command["name"] == "exec"
        assert command["parameters"]["exe"] == "{blender}"
        _run(farm, ["blender", *command["parameters"]["args"]])
    assert _made(farm) == 2
    assert (farm / "history" / "report" / "index.html").is_file()


def test_the_commands_of_the_guide_do_as_it_says(farm: Path) -> None:
    ours = [words for words in _commands("blender") if "genai_render" in words]
    assert len(ours) == 3
    for words in ours[:2]:
        _run(farm, words)
    if not (farm / "history").exists() or _made(farm) < 2:  # this test alone
        pytest.fail("the page was written before all were made")
    assert (farm / "report" / "index.html").is_file()
    for number in (1, 2):
        with HistoryStore(farm / f"history-{number}"):
            pass
    _run(farm, ours[2])
    assert _made(farm) == 2


def test_deadline_gets_a_task_for_each_part(farm: Path) -> None:
    (submission,) = _commands("deadlinecommand")
    said = dict(zip(submission[2::2], submission[3::2], strict=True))
    assert submission[1] == "-SubmitCommandLineJob"
    assert set(said) == {"-name", "-frames", "-chunksize", "-executable", "-arguments"}
    job, plugin = (
        dict(line.split("=", 1) for line in (FARMS / name).read_text().splitlines())
        for name in ("night.job", "night.plugin")
    )
    assert job == {
        **{"Plugin": "CommandLine", "Name": said["-name"]},
        **{"Frames": said["-frames"], "ChunkSize": said["-chunksize"]},
    }
    assert set(plugin) == {"Executable", "Arguments", "SingleFramesOnly"}
    assert plugin["Arguments"] == said["-arguments"]
    assert said["-frames"] == f"1-{PARTS}"
    assert f"<STARTFRAME>/{PARTS}" in said["-arguments"]
    words = shlex.split(said["-arguments"].replace("<STARTFRAME>", "1"))
    _run(farm, [plugin["Executable"], *words])


# Of Kubernetes' OpenAPI: io.k8s.api.batch.v1.JobSpec and what it is made of, as far as it is used.
_KUBERNETES: dict[str, Any] = {
    "apiVersion": str,
    "kind": str,
    "metadata": {"name": str},
    "spec": {
        **{"completionMode": str, "completions": int, "parallelism": int},
        "backoffLimitPerIndex": int,
        "template": {
            "spec": {
                "restartPolicy": str,
                "containers": [
                    {
                        **{"name": str, "image": str, "command": [str], "args": [str]},
                        "env": [
                            {
                                "name": str,
                                "valueFrom": {
                                    "secretKeyRef": {"name": str, "key": str, "optional": bool}
                                },
                            }
                        ],
                        "resources": {"requests": {"cpu": str, "memory": str}},
                        "volumeMounts": [{"name": str, "mountPath": str}],
                    }
                ],
                "volumes": [{"name": str, "persistentVolumeClaim": {"claimName": str}}],
            }
        },
    },
}


def _check(value: Any, schema: Any, where: str) -> None:
    if isinstance(schema, dict):
        assert isinstance(value, dict), where
        assert set(value) <= set(schema), where
        for name, inner in value.items():
            _check(inner, schema[name], f"{where}.{name}")
    elif isinstance(schema, list):
        assert isinstance(value, list), where
        for number, inner in enumerate(value):
            _check(inner, schema[0], f"{where}[{number}]")
    else:
        assert type(value) is schema, where


def test_kubernetes_gets_a_job_with_an_index_for_each_part(farm: Path) -> None:
    manifest = json.loads((FARMS / "kubernetes.json").read_text())
    _check(manifest, _KUBERNETES, "job")
    assert (manifest["apiVersion"], manifest["kind"]) == ("batch/v1", "Job")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", manifest["metadata"]["name"])
    spec = manifest["spec"]
    assert spec["completionMode"] == "Indexed"  # without it there is no JOB_COMPLETION_INDEX
    assert spec["completions"] == PARTS >= spec["parallelism"]
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # as backoffLimitPerIndex asks for
    (container,) = pod["containers"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert f"/{PARTS} " in container["args"][0]
    words = [*container["command"], *container["args"]]
    _run(farm, words, JOB_COMPLETION_INDEX=str(PARTS - 1))
