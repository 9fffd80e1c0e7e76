# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes `ansible_collections.updraft.airflow` importable from a plain checkout."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

CHECKOUT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Install Ansible's collection finder on a folder that names this checkout as the collection."""
    root = Path(tempfile.mkdtemp(prefix="updraft-collections-"))
    namespace = root / "ansible_collections" / "updraft"
    namespace.mkdir(parents=True)
    os.symlink(CHECKOUT, namespace / "airflow")
    _AnsibleCollectionFinder(paths=[str(root)])._install()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Let a skipped test fail: what is not run proves nothing."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which counts as a failure: {report.longrepr}"
