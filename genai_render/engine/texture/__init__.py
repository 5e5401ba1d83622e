# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a scene baked into the textures of what they show."""
