# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a playbook as somebody at a terminal does, and reads what it told: which task did what on which host."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADING = re.compile(r"(?:TASK|RUNNING HANDLER) \[(?:[^]]* : )?(.*)\] \**$")
RESULT = re.compile(r"(ok|changed|fatal|failed): \[([^]]+)\](?:: (\w+)!)?(?: => \(item=.*?\))?(?: => (?=\{)|$)")
RECAP = re.compile(r"^(\S+) +: ok=(\d+) +changed=(\d+) .*failed=(\d+)", re.MULTILINE)
LONGEST_MESSAGE = 500
# Molecule asks for colours, which would hide the recap. Results as JSON can be read again.
ENVIRONMENT = {"ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_NOCOLOR": "true", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}


@dataclass(frozen=True)
class Result:
    """What a task said about a host; `fields` are there as far as the verbosity shows them."""

    task: str
    status: str
    host: str
    fields: dict[str, Any]


def results(output: str) -> list[Result]:
    """Return the results in a playbook's output, in their order."""
    found = []
    task = ""
    position = 0
    while position < len(output):
        end = output.find("\n", position)
        line = output[position : end if end >= 0 else len(output)]
        if heading := HEADING.match(line):
            task = heading[1]
        elif said := RESULT.match(line):
            fields: dict[str, Any] = {}
            if line[said.end() :].startswith("{"):
                fields, end = json.JSONDecoder().raw_decode(output, position + said.end())
            status = "failed" if said[1] == "fatal" else said[1]
            found.append(Result(task, "unreachable" if said[3] == "UNREACHABLE" else status, said[2], fields))
        position = end + 1 if end >= 0 else len(output)
    return found


@dataclass(frozen=True)
class PlayRun:
    """A run of a playbook, with what it told about one host."""

    output: str
    host: str
    ok: int
    changed: int
    failed: int
    status: int = 0

    @property
    def results(self) -> list[Result]:
        """What its tasks said about the host, or about every one."""
        return [result for result in results(self.output) if self.host in ("", result.host)]

    def in_words(self) -> str:
        """Return which tasks changed something or failed, for the message of a test."""
        told = [
            f"{result.status}: {result.task}"
            + f" {result.fields.get('changed_paths', '')} {result.fields.get('msg', '')}"[:LONGEST_MESSAGE]
            for result in self.results
            if result.status != "ok"
        ]
        return "\n".join([f"ok={self.ok} changed={self.changed} failed={self.failed}", *told])


def run(words: list[str], host: str, log: Path, **settings: str) -> PlayRun:
    """Run ansible-playbook with these words and settings of Ansible's; keep the output; return what was told about a host.

    Without a host, its counts are the sums over all of them.
    """
    done = subprocess.run(
        ["ansible-playbook", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, **ENVIRONMENT, **settings},
    )
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout, encoding="utf-8")
    counts = {name: [int(number) for number in numbers] for name, *numbers in RECAP.findall(done.stdout)}
    if not host:
        counts[host] = [sum(column) for column in zip(*counts.values())] or [0, 0, 0]
    assert host in counts, f"The run tells nothing of {host}, see {log}: {done.stdout[-1500:]}"
    ok, changed, failed = counts[host]
    return PlayRun(done.stdout, host, ok, changed, failed, done.returncode)
