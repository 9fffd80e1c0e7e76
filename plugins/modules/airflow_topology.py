# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_topology
short_description: Derive what is to be true on each host of an Airflow installation
version_added: 0.1.0
description:
  - Reads the inventory's groups, the public variables of the role P(updraft.airflow.common#role) and the facts of all hosts of the
    installation, and derives versions, the executor, URLs, ports, sizes, secrets and daemons; or says why they do not fit together.
  - Every secret that no variable gives is generated once, and kept in the credentials folder on the controller.
  - Runs on the controller. The hosts must have been read before, by M(ansible.builtin.setup) and by a task with
    M(updraft.airflow.airflow_host_info) that registers C(__airflow_host).
notes:
  - The result holds secrets. Set C(no_log) on the task, and show RV(findings) by another one.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Writes nothing; secrets that would be generated are made up for the run.
  diff_mode:
    support: none
    description: Changes no host.
options:
  survey:
    description:
      - Tell what there is to look at, also when hosts were not read or the installation could not be built as described, and write no
        secret. Then RV(plan) is there only where nothing would have to be fetched or generated for it.
    type: bool
    default: false
  hold_secrets:
    description:
      - Keep no new secret yet, for a database may have to be looked at and the hosts have to be held before anything is changed.
        RV(holds_secrets) says whether there are some; the same call without this option keeps them, and has the plan that counts.
    type: bool
    default: false
  goes_back:
    description:
      - Whether this is for going back to the installation that was lifted. Then what speaks against that is among the findings, and that a
        host was gone back from already is none.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Derive the topology
  updraft.airflow.airflow_topology:
  register: __airflow
  no_log: true

- name: Refuse what cannot work
  ansible.builtin.fail:
    msg: "{{ __airflow.findings }}"
  when: __airflow.findings | length > 0
"""

RETURN = r"""
findings:
  description: Why the installation cannot be built as described, one sentence each. Empty when it can.
  type: list
  elements: str
  returned: always
  sample: ["Group airflow_webserver has no host: put one into it."]
holds_secrets:
  description: Whether new secrets were made up and not kept. Those in RV(plan) are others the next time.
  type: bool
  returned: without O(survey)
status:
  description: What there is to look at, without a secret. C(installation) holds for all hosts, C(host) for this one; there C(probes) are
    options of M(updraft.airflow.airflow_status).
  type: dict
  returned: with O(survey)
unread:
  description: The hosts of which nothing is known in this run, each with the reason where that is known. With any of them there is no plan.
  type: dict
  returned: with O(survey)
plan:
  description: What is to be true on this host; V(null) when there are findings.
  type: dict
  returned: always
  contains:
    installation:
      description: The installation's name.
      type: str
    version:
      description: Airflow's version.
      type: str
    line:
      description: Its major version.
      type: int
    executor:
      description: The executor.
      type: str
    engine:
      description: The metadata database's engine, C(sqlite) or C(postgresql).
      type: str
    hostname:
      description: The host's own name for itself.
      type: str
    peers:
      description: The other hosts of the installation with C(name), C(hostname) and C(address).
      type: list
      elements: dict
    user:
      description: The user that the daemons run as, with C(name), C(group) and C(create).
      type: dict
    paths:
      description: Folders and files by what they are for.
      type: dict
    dags:
      description: The revision of the DAGs that is to be on this host, as arguments of M(updraft.airflow.airflow_dag_revision); V(null)
        where there is none.
      type: dict
    dag_bundle_storage:
      description: The folder in which bundles of Airflow 3 keep what they fetched, V(null) without them.
      type: str
    programs:
      description: Packages of the distribution that bundles need.
      type: list
      elements: str
    environments:
      description: Virtual environments of this host, with C(purpose), C(version), C(python), C(path), C(locks), C(constraint_url),
        C(packages) (what to install where there is no lock), C(requirements) and C(carried) (packages of an installation taken over).
      type: list
      elements: dict
    daemons:
      description: Daemons of this host in the order they start, with C(name), C(unit), C(description), C(arguments), C(environment),
        C(runs_tasks), C(sandbox), C(starts_at_once), C(stop_timeout), C(after), C(before) and C(health).
      type: list
      elements: dict
    cli_environment:
      description: The environment of the command line on this host.
      type: dict
    settings:
      description: Sections and options of airflow.cfg that differ from the version's defaults, without secrets.
      type: dict
    webserver:
      description: Port and address of the web page.
      type: dict
    webserver_config:
      description: Content of the webserver_config.py that was taken over, V(null) for none.
      type: str
    database:
      description: The metadata database's server, V(null) on SQLite.
      type: dict
    sqlite:
      description: The metadata database's file, V(null) on a server.
      type: dict
    move:
      description: The move of the metadata from SQLite that is due, V(null) for none.
      type: dict
    users:
      description: Users to create when Airflow has none.
      type: list
      elements: dict
    adopted:
      description: What there is to take over from an installation made by hand, V(null) for nothing.
      type: dict
    rollback:
      description: How to go back to the installation that was lifted, and forward again, V(null) where there is no such way.
      type: dict
    rollback_record:
      description: The record of a rollback that is to be removed when this run has switched, V(null) for none.
      type: str
    credentials:
      description: The credentials folder and the administrator's password file on the controller.
      type: dict
    installation_record:
      description: What the host is to remember about itself.
      type: dict
    report:
      description: What to tell at the end, on the webserver's host.
      type: list
      elements: str
    warnings:
      description: What should work and was not tested.
      type: list
      elements: str
    notes:
      description: What is worth knowing about a take-over.
      type: list
      elements: str
"""
