# SPDX-License-Identifier: GPL-3.0-or-later
"""The platforms and Pythons that the extension is built for, by Blender's names and by pip's."""

from __future__ import annotations

import os
import platform

ON_WINDOWS = os.name == "nt"

# Blender's name of a platform → pip's, the best first.
PLATFORMS = {
    "linux-x64": (*(f"manylinux_2_{n}_x86_64" for n in range(28, 16, -1)), "manylinux2014_x86_64"),
    "macos-arm64": ("macosx_11_0_arm64", "macosx_11_0_universal2"),
    "macos-x64": ("macosx_10_15_x86_64", "macosx_10_15_universal2"),
    "windows-x64": ("win_amd64",),
    "windows-arm64": ("win_arm64",),
}
# The Pythons inside official Blender: 4.2 to 5.0, and 5.1 up. No Blender 5.1 runs on Intel Macs.
OFFICIAL_PYTHONS = ("cp311", "cp313")
NOT_OFFERED = {("macos-x64", "cp313")}


def this_platform(system: str | None = None, machine: str | None = None) -> str:
    """Blender's name of a platform, such as "linux-x64"."""
    systems = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}
    machines = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aarch64": "arm64"}
    system = system or platform.system()
    machine = machine or platform.machine()
    return f"{systems.get(system, system.lower())}-{machines.get(machine.lower(), machine)}"
