# SPDX-License-Identifier: GPL-3.0-or-later
"""Lamps, shadows, sky and air, planned on a small picture and brought to full size."""
