# SPDX-License-Identifier: GPL-3.0-or-later
"""Random harm, over and over: what must hold afterwards, held or not.

    python -m tests.faults [--minutes N] [--seed N] [--only KIND] [--runs N]

Each run is made from a seed that is printed where it fails, so that it can be made again.
"""
