# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers on the internet, and whatever speaks one of their protocols."""
