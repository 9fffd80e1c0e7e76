# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DAGs in a git repository. The controller's git fetches one commit; keys and tokens are in no argument and on no host."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ._dag_options import NAME, base_path, is_ssh, requirements_path
from ._dag_sources import Controller, Revision, SourceError, refuse_link, refuse_without_dags, requirements_of

TIMEOUT_SECONDS = 600
SHORT_COMMIT = 12
SHORT_TREE = 8
DEFAULT_USERNAME = "git"
PROTOCOLS = "file:git:http:https:ssh"
MODE_LINK, MODE_SUBMODULE = "120000", "160000"
CONTENT = re.compile(r"-----BEGIN |\sAAAA")
FOREIGN_VARIABLES = ("GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_WORK_TREE")
# What git says after the reason.
SAID_ANYWAY = (
    "fatal: Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
)
# git calls this program to ask for a name or a password, so that neither is an argument of anything.
ASKPASS = """#!/bin/sh
case "$1" in
  Username*) printf '%s\\n' "$UPDRAFT_GIT_USERNAME" ;;
  *) printf '%s\\n' "$UPDRAFT_GIT_TOKEN" ;;
esac
"""


class GitSource:
    """One tag, branch or commit of a repository, or a folder in it."""

    def __init__(self, options: Mapping[str, Any], controller: Controller) -> None:
        self.options = options
        self.controller = controller
        self.address = str(options["repository"])
        self.ref = str(options["ref"])
        self.subdirectory = base_path(options)
        place = hashlib.sha256(f"{self.address}\0{self.ref}".encode()).hexdigest()
        self.clone = os.path.join(controller.work_dir, f"git-{place}")

    def resolve(self) -> Revision:
        """Fetch what the ref means now."""
        self._fetch(self.ref)
        commit = self._git("rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}").strip()
        tree = self._tree(commit)
        self._look_at_files(tree)
        place = f"{self.ref} of {self.address}" + (f", folder {self.subdirectory}" if self.subdirectory else "")
        name = f"git-{commit[:SHORT_COMMIT]}-{tree[:SHORT_TREE]}"
        description = f"those of {place} (commit {commit[:SHORT_COMMIT]})"
        return Revision(name, description, self._requirements(commit), {"commit": commit, "tree": tree})

    def pack(self, revision: Revision, target: str) -> None:
        """Write the archive, without what .gitattributes marks as export-ignore."""
        if not os.path.isdir(self.clone):
            self._fetch(revision.details["commit"])
        self._git("archive", "--format=tar.gz", f"--output={target}", revision.details["tree"])

    def _tree(self, commit: str) -> str:
        found = (self._try("rev-parse", "--verify", "--quiet", f"{commit}:{self.subdirectory}") or "").strip()
        if not found or self._git("cat-file", "-t", found).strip() != "tree":
            raise SourceError(f"{self.ref} of {self.address} has no folder {self.subdirectory}: correct {NAME}.subdirectory.")
        return found

    def _look_at_files(self, tree: str) -> None:
        place = f"{self.ref} of {self.address}"
        paths, submodules = [], []
        for entry in self._git("ls-tree", "-r", "-z", tree).split("\0")[:-1]:
            attributes, path = entry.split("\t", 1)
            mode, _kind, name = attributes.split()
            paths.append(path)
            if mode == MODE_SUBMODULE:
                submodules.append(path)
            elif mode == MODE_LINK:
                refuse_link(path, self._git("cat-file", "blob", name), place)
        if submodules:
            raise SourceError(f"{place} has submodules ({', '.join(submodules)}), which are not fetched: put their files into it.")
        refuse_without_dags(paths, f"{place}{', folder ' + self.subdirectory if self.subdirectory else ''}")

    def _requirements(self, commit: str) -> list[str]:
        path = requirements_path(self.options)
        text = self._try("cat-file", "blob", f"{commit}:{path}") if path else None
        return requirements_of(text, f"{path} in {self.ref} of {self.address}", bool(path and self.options.get("requirements")))

    def _fetch(self, ref: str) -> None:
        # A clone that an earlier attempt left incomplete is no clone.
        shutil.rmtree(self.clone, ignore_errors=True)
        self._git("init", "--quiet", "--bare", self.clone, inside=False)
        with self._access() as environment:
            done = self._run(["fetch", "--quiet", "--depth=1", "--no-tags", "--", self.address, ref], environment)
        if done.returncode != 0:
            shutil.rmtree(self.clone, ignore_errors=True)
            raise SourceError(self._explain(done.stderr))

    def _git(self, *arguments: str, inside: bool = True) -> str:
        done = self._run(list(arguments), _environment(), inside)
        if done.returncode != 0:
            raise SourceError(f"git {arguments[0]} failed on the controller: {_last_line(done.stderr)}.")
        return done.stdout

    def _try(self, *arguments: str) -> str | None:
        done = self._run(list(arguments), _environment())
        return done.stdout if done.returncode == 0 else None

    def _run(self, arguments: list[str], environment: Mapping[str, str], inside: bool = True) -> subprocess.CompletedProcess[str]:
        command = ["git", *([f"--git-dir={self.clone}"] if inside else []), *arguments]
        try:
            return subprocess.run(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="surrogateescape",
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise SourceError(f"{NAME} has the source git, and the controller has no git: install it there.") from None
        except subprocess.TimeoutExpired:
            raise SourceError(f"{self.address} did not answer within {TIMEOUT_SECONDS} seconds: check {NAME}.repository.") from None

    @contextmanager
    def _access(self) -> Iterator[dict[str, str]]:
        """The environment to fetch with. What is secret is in files of a folder of its own, which goes at the end."""
        folder = tempfile.mkdtemp(prefix="access-", dir=self.controller.work_dir)
        try:
            environment = _environment()
            environment["GIT_SSH_COMMAND"] = shlex.join(self._ssh(folder))
            if self.options.get("token"):
                environment.update(self._askpass(folder))
            yield environment
        finally:
            shutil.rmtree(folder)

    def _ssh(self, folder: str) -> list[str]:
        """Never a question, never a host that nobody vouched for."""
        command = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=no", "-o", "ConnectTimeout=30"]
        if self.options.get("known_hosts"):
            path = _write(folder, "known_hosts", self._text("known_hosts"))
            command += ["-o", f"UserKnownHostsFile={path}", "-o", "GlobalKnownHostsFile=/dev/null"]
        if self.options.get("deploy_key"):
            path = _write(folder, "key", self._text("deploy_key"))
            self._check_key(path)
            command += ["-i", path, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]
        return command

    def _text(self, name: str) -> str:
        """An option that is a key itself, or else the path of a file with it."""
        value = str(self.options[name])
        if CONTENT.search(value):
            return value
        path = self.controller.path(value.strip())
        if not os.path.isfile(path):
            raise SourceError(f"There is no file {path} on the controller: correct {NAME}.{name}.")
        return self.controller.read_text(path)

    def _check_key(self, path: str) -> None:
        try:
            done = subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", path], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise SourceError(f"{NAME} has a deploy_key, and the controller has no ssh: install OpenSSH's client there.") from None
        if "passphrase" in done.stderr:
            raise SourceError(f"{NAME}.deploy_key is protected by a passphrase, which nobody can type here: give a key without one.")
        if done.returncode != 0:
            raise SourceError(f"{NAME}.deploy_key is no private key of OpenSSH: write the whole file, with its first and last line.")

    def _askpass(self, folder: str) -> dict[str, str]:
        program = _write(folder, "askpass", ASKPASS, mode=0o700)
        return {
            "GIT_ASKPASS": program,
            "UPDRAFT_GIT_USERNAME": str(self.options.get("username") or DEFAULT_USERNAME),
            "UPDRAFT_GIT_TOKEN": str(self.options["token"]),
            # A credential helper of the user's would keep the token.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "credential.helper",
            "GIT_CONFIG_VALUE_0": "",
        }

    def _explain(self, output: str) -> str:
        """What git says, as a sentence with what to do."""
        host = urlsplit(self.address).hostname if "://" in self.address else self.address.partition(":")[0].rpartition("@")[2]
        if "Host key verification failed" in output:
            return (
                f"The ssh key of {host} is not the one expected, or not known: set {NAME}.known_hosts to its line (ssh-keyscan {host} "
                "shows it; compare it with what the server's owner publishes)."
            )
        if is_ssh(self.address) and "Permission denied" in output:
            return f"{host} does not accept the key for {self.address}: set {NAME}.deploy_key to a key that may read the repository."
        if "Authentication failed" in output or "could not read Username" in output:
            return f"{host} does not let the controller read {self.address}: set {NAME}.token (and username) to one that may."
        if "couldn't find remote ref" in output or "not our ref" in output:
            return f"{self.address} has no tag, branch or commit {self.ref}: correct {NAME}.ref; a commit is written in full."
        return f"{self.address} could not be fetched: {_last_line(output).replace(str(self.options.get('token') or chr(0)), '***')}."


def _environment() -> dict[str, str]:
    """The controller's own, without what another git above this run may have set, and with messages in English."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN_VARIABLES}
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "GIT_ALLOW_PROTOCOL": PROTOCOLS}


def _write(folder: str, name: str, text: str, mode: int = 0o600) -> str:
    """A file that only its owner reads. OpenSSH wants line feeds, one at the end too."""
    path = os.path.join(folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as stream:
        stream.write(text.replace("\r\n", "\n").rstrip("\n") + "\n")
    return path


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip() and line.strip() not in SAID_ANYWAY]
    return lines[-1].rstrip(".") if lines else "it said nothing"
