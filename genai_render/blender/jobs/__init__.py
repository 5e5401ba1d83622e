# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is set to a request, to the queue and into History."""
