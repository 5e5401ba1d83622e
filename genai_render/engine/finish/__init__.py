# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to the lit picture: depth of field, smooth edges, weather, lens effects, style."""
