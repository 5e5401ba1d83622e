# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user has set: in the scene, in the window, references, and their pictures."""
