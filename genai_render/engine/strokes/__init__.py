# SPDX-License-Identifier: GPL-3.0-or-later
"""Directions on surfaces, hatching and brushes."""
