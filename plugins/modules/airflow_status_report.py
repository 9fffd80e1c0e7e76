# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_status_report
short_description: Tell the status of an Airflow installation
version_added: 0.1.0
description:
  - Puts together what M(updraft.airflow.airflow_status) found on all hosts of the play, judges it, and prints it as a table with a sentence
    for each problem first.
  - Writes it on the controller as C(status.json) and as C(status.html), a page of one file with a picture of the installation. None of them
    holds a secret.
  - Runs on the controller. What it needs is registered by the task file C(status) of the role P(updraft.airflow.common#role).
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Prints the status and writes no file.
  diff_mode:
    support: none
    description: Changes no host.
options:
  folder:
    description:
      - The folder for both files. A relative path starts at the inventory.
      - By default the folder C(.status) beside the inventory, and in it one with the installation's name. It is hidden, as Ansible takes
        every other file in an inventory's folder for an inventory.
    type: path
"""

EXAMPLES = r"""
- name: Tell the status
  updraft.airflow.airflow_status_report:
    folder: /srv/airflow-status
  run_once: true
"""

RETURN = r"""
verdict:
  description:
    - V(healthy) when nothing is wrong.
    - V(degraded) when something does not work, and something else does its work.
    - V(failing) when a part of Airflow has nobody left.
  type: str
  returned: success
summary:
  description: The verdict as a sentence.
  type: str
  returned: success
problems:
  description: A sentence for each problem. Notices are not among them.
  type: list
  elements: str
  returned: success
json:
  description: The path of the file for programs.
  type: str
  returned: success, not in check mode
html:
  description: The path of the page.
  type: str
  returned: success, not in check mode
"""
