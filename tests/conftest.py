# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes `ansible_collections.updraft.airflow` importable from a plain checkout."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

CHECKOUT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Install Ansible's collection finder on a folder that names this checkout as the collection."""
    root = Path(tempfile.mkdtemp(prefix="updraft-collections-"))
    namespace = root / "ansible_collections" / "updraft"
    namespace.mkdir(parents=True)
    os.symlink(CHECKOUT, namespace / "airflow")
    _AnsibleCollectionFinder(paths=[str(root)])._install()
