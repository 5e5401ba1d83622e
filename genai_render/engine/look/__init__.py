# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture should be like, as plain data, and what the words of a prompt change in it."""
