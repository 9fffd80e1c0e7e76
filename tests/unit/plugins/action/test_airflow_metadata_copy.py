# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action airflow_metadata_copy makes of the result of a module that ran in the background."""

from __future__ import annotations

from ansible_collections.updraft.airflow.plugins.action.airflow_metadata_copy import result_of


def test_a_result_is_that_of_the_module() -> None:
    result = {"changed": True, "rows": 5, "invocation": {"module_args": {"password": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}}}
    assert result_of({**result, "stderr": "a warning", "stderr_lines": ["a warning"]}, "copy") == result
    failure = {"failed": True, "msg": "The copy to the database airflow was undone."}
    assert result_of(dict(failure), "copy") == failure


def test_a_module_that_was_killed_has_no_result() -> None:
    found = {"failed": True, "cmd": "/root/.ansible/tmp/x.py", "data": "", "stderr": "", "msg": "Traceback ...", "ansible_job_id": "j1.2"}
    assert result_of(found, "copy") == {"failed": True, "msg": "The phase copy ended without a result: it was killed"}
    found["stderr"] = "warning\nMemoryError\n"
    assert result_of(found, "verify") == {"failed": True, "msg": "The phase verify ended without a result: MemoryError"}
