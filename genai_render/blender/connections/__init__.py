# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers and servers in the preferences: where each is, its key, how it is."""
