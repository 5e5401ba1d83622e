# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py zip: the extension as Blender installs it, for each platform and Python."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from .console import say, short_path
from .errors import BuildError
from .platforms import NOT_OFFERED, OFFICIAL_PYTHONS, PLATFORMS
from .project import PACKAGE, Project
from .wheels import fetch_wheels


def manifest_text(template: str, platforms: Sequence[str], wheels: Sequence[str]) -> str:
    """The manifest of one zip: `platforms` and `wheels` go before the first table."""
    lines = ["platforms = " + json.dumps(list(platforms)), "wheels = ["]
    lines += [f"  {json.dumps(wheel, ensure_ascii=False)}," for wheel in wheels]
    lines += ["]", ""]
    head, bracket, rest = template.partition("\n[")
    return head.rstrip("\n") + "\n\n" + "\n".join(lines) + bracket + rest


def package_files(project: Project) -> list[Path]:
    """What ships, relative to the package: all of it, less what Python and editors leave."""
    folder = project.package
    return sorted(
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file()
        and path.suffix not in (".pyc", ".blend1")
        and not any(
            part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts
        )
    )


def build_zip(project: Project, platform_name: str, tag: str, folder: Path) -> Path:
    """An extension for one platform and Python tag. The same sources give the same bytes."""
    if platform_name not in PLATFORMS:
        raise BuildError(f'"{platform_name}" is no platform. Choose from {", ".join(PLATFORMS)}.')
    if not re.fullmatch(r"cp3\d\d", tag):
        raise BuildError(f'"{tag}" is no Python tag. Write it like {OFFICIAL_PYTHONS[0]}.')
    wheels = fetch_wheels(project, platform_name, tag)
    template = (project.root / "blender_manifest.toml").read_text("utf-8")
    manifest = manifest_text(template, [platform_name], [f"./wheels/{w.name}" for w in wheels])
    members: dict[str, bytes] = {
        "blender_manifest.toml": manifest.encode(),
        "LICENSE": (project.root / "LICENSE").read_bytes(),
        **{f"wheels/{wheel.name}": wheel.read_bytes() for wheel in wheels},
        **{
            path.as_posix(): (project.package / path).read_bytes()
            for path in package_files(project)
        },
    }
    path = folder / f"{PACKAGE}-{project.pins.version}-{platform_name}-{tag}.zip"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_zip(path, members)
    except OSError as error:
        raise BuildError(f"{folder} cannot be written: {error.strerror}.") from error
    return path


def _write_zip(path: Path, members: dict[str, bytes]) -> None:
    """In the order of their names, all of the same age; complete, or not there."""
    part = path.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            packed = name.endswith((".whl", ".png", ".webp", ".jpg"))
            kind = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            archive.writestr(entry, members[name], compress_type=kind)
    part.replace(path)


def make_zips(project: Project, platforms: Sequence[str], tags: Sequence[str], folder: Path) -> int:
    for name in platforms or PLATFORMS:
        for tag in tags or OFFICIAL_PYTHONS:
            if (name, tag) in NOT_OFFERED and not (platforms and tags):
                continue
            path = build_zip(project, name, tag, folder)
            say(f"{short_path(path)}  {path.stat().st_size / 1e6:.1f} MB")
    return 0
