# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ansible-galaxy collection build` packs."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SHIPPED = {
    "CHANGELOG.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "changelogs",
    "docs",
    "inventories",
    "meta",
    "playbooks",
    "plugins",
    "roles",
}


def test_the_tarball_holds_what_users_need_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ansible", "galaxy", "collection", "build", "--output-path", str(tmp_path), str(CHECKOUT)]
    subprocess.run(command, check=True, capture_output=True)
    (tarball,) = tmp_path.iterdir()
    with tarfile.open(tarball) as tar:
        paths = [Path(name) for name in tar.getnames()]
    assert {path.parts[0] for path in paths} == SHIPPED
    assert [
        path for path in paths if path.suffix == ".pyc" or any(part.startswith(".") or part == "credentials" for part in path.parts)
    ] == []
    assert [path for path in paths if path.parts[0] == "changelogs" and len(path.parts) > 1] == [Path("changelogs/changelog.yaml")]
