# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays of pixels, colors and noise, work in bands on all cores, progress."""
