# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a finished picture with the view that it shows."""
