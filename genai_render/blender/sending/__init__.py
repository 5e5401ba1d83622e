# SPDX-License-Identifier: GPL-3.0-or-later
"""What was made of a picture, put to use in Blender: clips and 3D models."""

from __future__ import annotations
