# SPDX-License-Identifier: GPL-3.0-or-later
"""What build.py does, one command or one part of it a file. Standard library only.

build.py may be started with any Python from 3.8 up, and says which ones will do. What it imports
before that (errors, console, platforms, interpreters) therefore uses nothing newer; the rest runs
with Python 3.11 or newer.
"""
