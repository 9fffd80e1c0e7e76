# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules as Ansible runs them: as a program that reads its arguments and prints its result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[4]

RunModule = Callable[..., dict[str, Any]]


@pytest.fixture
def run_module(tmp_path_factory: pytest.TempPathFactory) -> RunModule:
    """A function that runs a module of this collection in a process of its own and returns its result."""
    root = tmp_path_factory.mktemp("collections")
    namespace = root / "ansible_collections" / "updraft"
    namespace.mkdir(parents=True)
    os.symlink(CHECKOUT, namespace / "airflow")

    def run(
        name: str,
        check_mode: bool = False,
        diff: bool = True,
        environment: dict[str, str] | None = None,
        given: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> dict[str, Any]:
        # Arguments with the names of the parameters above are `given`.
        arguments |= {
            **(given or {}),
            "_ansible_check_mode": check_mode,
            "_ansible_diff": diff,
            "_ansible_tmpdir": str(root),
            "_ansible_remote_tmp": str(root),
        }
        script = (
            "import sys; from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder as F; "
            f"F(paths=[{str(root)!r}])._install(); import runpy; import ansible.module_utils.basic as b; "
            "b._ANSIBLE_ARGS = sys.stdin.buffer.read(); b._ANSIBLE_PROFILE = 'legacy'; "
            f"runpy.run_module('ansible_collections.updraft.airflow.plugins.modules.{name}', run_name='__main__')"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(environment or {})},
        )
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return result

    return run
