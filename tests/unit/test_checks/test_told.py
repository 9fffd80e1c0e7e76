# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks read in the output of a playbook."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from airflow_checks import playbook, secrets

OUTPUT = """\
TASK [updraft.airflow.common : Create Airflow's folders] ***********************
task path: /collections/roles/common/tasks/install.yml:27
ok: [one] => {
    "changed": false,
    "changed_paths": [],
    "text": "changed: [one] => {"
}

TASK [Write [some] files] ******************************************************
--- before: /etc/airflow/airflow.cfg
+++ after: /etc/airflow/airflow.cfg
@@ -1 +1,2 @@
+load_examples = False

changed: [one] => {
    "changed": true,
    "changed_paths": [
        "/etc/airflow/airflow.cfg"
    ]
}
changed: [two] => (item=a thing) => {"changed": true}
skipping: [two]

RUNNING HANDLER [updraft.airflow.metadata_db : Restart PostgreSQL] *************
changed: [one]
fatal: [two]: FAILED! => {
    "msg": "not now"
}

PLAY RECAP *********************************************************************
one                        : ok=3    changed=2    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
two                        : ok=1    changed=1    unreachable=0    failed=1    skipped=1    rescued=0    ignored=0
"""
SECRET = "p@ss:w/rd %25#&'\"\\ é"


def test_results_are_read_by_task_and_host() -> None:
    read = [(result.task, result.status, result.host, result.fields.get("changed_paths")) for result in playbook.results(OUTPUT)]
    assert read == [
        ("Create Airflow's folders", "ok", "one", []),
        ("Write [some] files", "changed", "one", ["/etc/airflow/airflow.cfg"]),
        ("Write [some] files", "changed", "two", None),
        ("Restart PostgreSQL", "changed", "one", None),
        ("Restart PostgreSQL", "failed", "two", None),
    ]


def test_a_run_is_told_in_words() -> None:
    told = playbook.PlayRun(OUTPUT, "two", 1, 1, 1).in_words()
    assert told.splitlines() == [
        "ok=1 changed=1 failed=1",
        "changed: Write [some] files  ",
        "failed: Restart PostgreSQL  not now",
    ]


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        f"postgresql://airflow:{quote(SECRET, safe='')}@127.0.0.1/airflow",
        json.dumps({"password": SECRET}),
        json.dumps({"body": json.dumps({"password": SECRET})}),
        json.dumps({"password": SECRET}, ensure_ascii=False),
        repr([SECRET]),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_secret_is_found_however_it_is_spelled_and_not_repeated(spelled: str) -> None:
    found = secrets.told(f"first\nsecond {spelled} end", {"key": SECRET})
    assert len(found) == 1 and found[0].startswith("key (") and found[0].endswith(") in line 2")
    assert SECRET not in found[0]


def test_an_output_without_secrets_holds_none() -> None:
    assert secrets.told("p@ss:w/rd", {"key": SECRET, "short": "p@ss"}) == []


def test_secrets_of_daemons_are_known_by_their_names() -> None:
    url = "postgresql+psycopg2://airflow:p%40ss@127.0.0.1/airflow"
    variables = {
        "AIRFLOW__CORE__FERNET_KEY": "key",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": "sqlite+aiosqlite:////opt/airflow/airflow.db",
        "AIRFLOW_HOME": "/opt/airflow",
    }
    assert secrets.of_environment(variables) == {
        "AIRFLOW__CORE__FERNET_KEY": "key",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "the password in AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "p@ss",
    }
