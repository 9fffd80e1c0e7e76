# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_job_progress
short_description: Wait for a module that runs in the background, and tell how far it is
version_added: 0.2.0
description:
  - Waits until a module that was started in the background has ended, or until some time has passed, and tells how far it is. When it has
    ended, its result is what this module returns, with RV(ignore:finished) in it.
  - Ends it instead with O(end).
  - Is called by actions of this collection that show the progress of a module while it runs, such as
    M(updraft.airflow.airflow_metadata_copy).
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Waits as it does without; nothing is ended.
  diff_mode:
    support: none
    description: Changes nothing.
options:
  results_file:
    description: The file that Ansible writes the module's result to. Required unless O(end) is true.
    type: path
  progress_file:
    description: The file that the module writes its progress to.
    type: path
    required: true
  seconds:
    description: How many seconds to wait at most.
    type: float
    default: 10
  end:
    description:
      - Whether to end the module instead of waiting for it. Its processes are known by the folder of O(progress_file), which they were told
        to write their result to.
    type: bool
    default: false
  lease_run:
    description: The run whose lease of the host is renewed while it waits, see M(updraft.airflow.airflow_lease).
    type: str
"""

EXAMPLES = r"""
- name: Wait for the copy
  updraft.airflow.airflow_job_progress:
    results_file: /tmp/updraft-copy.a1b2c3d4/j123456789.4711
    progress_file: /tmp/updraft-copy.a1b2c3d4/progress
"""

RETURN = r"""
finished:
  description: Whether the module has ended.
  returned: always; with O(end), whether nothing of it runs any more
  type: bool
lost:
  description: Whether it has ended without a result, for somebody killed it.
  returned: while it has no result
  type: bool
progress:
  description:
    - How far it is, once it has written that. Its C(step), the C(rows) of the C(total) that are done, the C(seconds) it has worked on the
      step, and what it C(took) for the steps before.
  returned: while it has no result
  type: dict
"""

import contextlib
import json
import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils import host_lease
from ansible_collections.updraft.airflow.plugins.module_utils.background_jobs import end_job, note_watching
from ansible_collections.updraft.airflow.plugins.module_utils.host_lease import LeaseError

PAUSE_SECONDS = 0.1
# Who waits for the module writes its result a moment after it has ended.
GRACE_SECONDS = 5.0


def read(path: str) -> dict[str, Any] | None:
    """The object in a file, None without one."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def ended(result: dict[str, Any] | None) -> bool:
    """Whether a file of Ansible's holds a module's result, and not only that it has been started."""
    return result is not None and "started" not in result


def runs(pid: int) -> bool:
    """Whether there is such a process, that is not only waited for."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def wait(results_file: str, progress_file: str, seconds: float) -> tuple[dict[str, Any] | None, bool]:
    """The result once there is one, else None, and whether the module is gone without."""
    deadline = time.monotonic() + seconds
    gone_since: float | None = None
    while True:
        note_watching(os.path.dirname(progress_file))
        result = read(results_file)
        if ended(result):
            return result, False
        progress = read(progress_file)
        now = time.monotonic()
        if progress is None or runs(progress["pid"]):
            gone_since = None
        elif gone_since is None:
            gone_since = now
        elif now - gone_since > GRACE_SECONDS:
            return None, True
        # Whether one that is gone has left a result is known a moment later.
        if now >= deadline and gone_since is None:
            return None, False
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "results_file": {"type": "path"},
            "progress_file": {"type": "path", "required": True},
            "seconds": {"type": "float", "default": 10},
            "end": {"type": "bool", "default": False},
            "lease_run": {"type": "str"},
        },
        required_if=[("end", False, ["results_file"])],
        supports_check_mode=True,
    )
    if module.params["end"]:
        gone = module.check_mode or end_job(os.path.dirname(module.params["progress_file"]))
        module.exit_json(changed=True, finished=gone)
    if module.params["lease_run"] and not module.check_mode:
        # Without a lease, or with a broken one, what runs in the background goes on.
        with contextlib.suppress(LeaseError, OSError):
            host_lease.renew(module.params["lease_run"], host_lease.PLACE)
    result, lost = wait(module.params["results_file"], module.params["progress_file"], module.params["seconds"])
    if result is not None:
        # As Ansible's own async_status does it: what is in it is ready to be read by the controller.
        print(f"\n{json.dumps({**result, 'finished': True})}")  # pylint: disable=ansible-bad-function
        raise SystemExit(0)
    progress = read(module.params["progress_file"])
    told = {} if progress is None else {"progress": {**progress, "seconds": time.monotonic() - progress["began"]}}
    module.exit_json(changed=False, finished=lost, lost=lost, **told)


if __name__ == "__main__":
    main()
