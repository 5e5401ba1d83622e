# SPDX-License-Identifier: GPL-3.0-or-later
"""The one kind of error that build.py shows as a sentence and not as a traceback."""


class BuildError(Exception):
    """Something that the person at the keyboard can mend. Its text says what and how."""
