# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One copy by the code of the module airflow_metadata_copy, run by Airflow's own Python as the module is.

    once.py SOURCE PORT DATABASE

It prints what the copy returns, with the most memory that the process had.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_copy import Copy
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_marker import Marker
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql import PostgresqlTarget
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import SqliteSource
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState, require_fresh
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection


def copy(source: str, port: int, database: str) -> dict[str, Any]:
    """What the module does in its phase copy."""
    target = PostgresqlTarget(Connection("127.0.0.1", port, database, "airflow", "", "disable"))
    require_fresh(TargetState(target))
    reader = SqliteSource(source)
    try:
        return Copy(reader, target, Marker(target), "benchmark").run()
    finally:
        reader.close()
        target.close()


def peak_mb() -> float:
    """Of this program alone; ru_maxrss would count the one that started it, too."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found, "/proc/self/status has no VmHWM"
    return int(found.group(1)) / 1024


if __name__ == "__main__":
    print(json.dumps({**copy(sys.argv[1], int(sys.argv[2]), sys.argv[3]), "peak_mb": peak_mb()}))
