# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_dag_source
short_description: Find out which revision of the DAGs their source holds
version_added: 0.1.0
description:
  - Asks the folder, the git repository or the bucket in the variable C(airflow_dags) of the role P(updraft.airflow.common#role), on the
    controller. Hosts need no way to it.
  - Set C(run_once) and register the result as C(__airflow_dag_source). M(updraft.airflow.airflow_topology) reads it there, so that all
    hosts get one revision, and its requirements belong to the environment that is installed.
  - Asked again in the same run, it gives the first answer.
notes:
  - What speaks against the source is returned, and told by M(updraft.airflow.airflow_topology) with everything else.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: none
    description: Changes nothing.
options: {}
"""

EXAMPLES = r"""
- name: Look at where the DAGs come from
  updraft.airflow.airflow_dag_source:
  run_once: true
  register: __airflow_dag_source
  when: airflow_dags is defined
"""

RETURN = r"""
dags:
  description: What the source holds; V(null) where C(airflow_dags) is not right or Airflow fetches the DAGs itself.
  type: dict
  returned: always
  contains:
    revision:
      description: The revision's name.
      type: str
      sample: git-3f2a9c81b0de-5d41402a
    description:
      description: The same for people.
      type: str
      sample: those of v1.2.3 of https://git.example.org/dags.git (commit 3f2a9c81b0de)
    requirements:
      description: The requirements beside the DAGs.
      type: list
      elements: str
    base_dir:
      description: The folder on the controller where relative paths start.
      type: str
    details:
      description: What the source needs to find the revision again.
      type: dict
    findings:
      description: Why the source cannot be used, one sentence each.
      type: list
      elements: str
"""
