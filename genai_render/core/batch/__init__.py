# SPDX-License-Identifier: GPL-3.0-or-later
"""Many pictures from one file: what they are (plan), what has become of each (progress), and the
page that shows them (report)."""
