# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes everything of the demo."""

from __future__ import annotations

import sys

from . import machine


def main() -> int:
    """Remove it."""
    try:
        machine.remove(volume=True)
    except machine.DemoError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Removed the demo's containers, network, volume and folder. The images {machine.IMAGES} stay: the tests use them too.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
