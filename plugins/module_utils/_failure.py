# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that nobody foresaw, told where secrets are at hand."""

from __future__ import annotations

import os
import traceback


def unforeseen(error: Exception) -> str:
    """Kind and place of an error. Its text is left out: it may quote a value, and that may be a secret."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{os.path.basename(frame.filename)}, line {frame.lineno}"
    return f"{type(error).__name__} in {place}; this is a mistake of the collection, please report it"
