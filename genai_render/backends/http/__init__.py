# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to any server: settings, connection, what can go wrong, and when to try again."""
