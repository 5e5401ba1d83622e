# SPDX-License-Identifier: GPL-3.0-or-later
"""A canvas as planes of a camera's view, what kind of view it is, and the light that is in it."""
