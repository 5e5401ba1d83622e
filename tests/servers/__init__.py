# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers on this computer that speak a provider's protocol, and are as strict as it is."""
