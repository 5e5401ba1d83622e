# SPDX-License-Identifier: GPL-3.0-or-later
"""Feature lines: where an artist would draw one, and how a pen draws it."""
