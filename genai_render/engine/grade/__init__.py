# SPDX-License-Identifier: GPL-3.0-or-later
"""Tone mapping, color grading, and reference images as palettes."""
