#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command for everything: demo, test, check, zip, install, bench.

Standard library only. It makes the environments it needs from the pins in pyproject.toml, with
pip as you have configured it, and uses them again the next time.
"""

from __future__ import annotations

# Nothing up here may need a newer Python than 3.8: main() first has to say which ones will do.
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from building.errors import BuildError
from building.interpreters import BPY_PYTHONS, hand_over
from building.platforms import PLATFORMS

ROOT = Path(__file__).resolve().parent


def parser() -> argparse.ArgumentParser:
    reader = argparse.ArgumentParser(prog="build.py", description=__doc__, allow_abbrev=False)
    commands = reader.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, allow_abbrev=False)

    def repeatable(one: argparse.ArgumentParser, option: str, metavar: str, text: str) -> None:
        one.add_argument(option, action="append", default=[], metavar=metavar, help=text)

    one = command("demo", "make the sample scene and three pictures of it")
    one.add_argument("--output", type=Path, default=ROOT / "build" / "demo", metavar="DIR")
    one = command("test", "run the tests; other words go to pytest")
    repeatable(one, "--blender", "EXE", "for tests/window")
    repeatable(one, "--bpy", "VERSION", "with this bpy as well")
    one.add_argument("--all", action="store_true", help="with every pinned bpy that fits here")
    one.add_argument("--only", action="store_true", help="with the --bpy versions only")
    command("check", "ruff and pyright")
    one = command("words", "what the translations of the interface lack")
    one.add_argument("--fill", type=Path, metavar="FILE", help="take over what was filled in")
    one = command("zip", "build the extension's zips, in dist/")
    repeatable(one, "--platform", "NAME", ", ".join(PLATFORMS))
    repeatable(one, "--python", "TAG", "such as cp311")
    one.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR")
    one = command("install", "build the zip for a Blender and install it there")
    one.add_argument("--blender", required=True, metavar="EXE")
    command("bench", "time the offline engine; other words go to tests/bench.py")
    command(
        "faults",
        "random harm: --minutes N, --seed N, --runs N, --only corruptions|kills|protocol|pictures",
    )
    command("batch", "kill a batch at random, ten times, and count what it ends with: --pictures N")
    return reader


def main(arguments: Sequence[str]) -> int:
    reader = parser()
    options, others = reader.parse_known_args(list(arguments))
    if others and options.command not in ("test", "bench", "faults", "batch"):
        reader.error(f"unknown: {' '.join(others)}")
    with_bpy = options.command in ("demo", "test", "bench", "faults", "batch")
    fits = sys.version_info[:2] in BPY_PYTHONS if with_bpy else sys.version_info >= (3, 11)
    if not fits:
        return hand_over(Path(__file__).resolve(), arguments, BPY_PYTHONS)
    return run(options, others)


def run(options: argparse.Namespace, others: Sequence[str]) -> int:
    """The command that was given, in a Python that fits."""
    from building import checks, demo, extension_zip, install, testing, words
    from building.project import Project

    project = Project(ROOT)
    if options.command == "demo":
        return demo.demo(project, options.output)
    if options.command == "test":
        return testing.run_tests(
            project,
            others,
            bpy_versions=options.bpy,
            every_bpy=options.all,
            skip_main=options.only,
            blenders=options.blender,
        )
    if options.command == "check":
        return checks.check(project)
    if options.command == "words":
        return words.words(project, options.fill)
    if options.command == "zip":
        return extension_zip.make_zips(project, options.platform, options.python, options.output)
    if options.command == "install":
        return install.install(project, options.blender)
    if options.command == "faults":
        return testing.faults(project, others)
    if options.command == "batch":
        return testing.batch_kills(project, others)
    return testing.bench(project, others)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        # A console that lacks a character shows "?" rather than ending the run.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    try:
        sys.exit(main(sys.argv[1:]))
    except BuildError as problem:
        print(f"build.py: {problem}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nbuild.py: stopped. Run it again to go on.", file=sys.stderr)
        sys.exit(130)
