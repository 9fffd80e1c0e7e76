# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variable `airflow_dags`: its options, and what is wrong with them as they are written."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

NAME = "airflow_dags"
BUNDLES = "bundles"
COMMON_OPTIONS = ("source", "requirements", "keep")
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "folder": ("path", *COMMON_OPTIONS),
    "git": ("repository", "ref", "subdirectory", "deploy_key", "known_hosts", "token", "username", *COMMON_OPTIONS),
    "s3": ("bucket", "prefix", "endpoint_url", "region", "access_key", "secret_key", *COMMON_OPTIONS),
    BUNDLES: ("bundles", "source"),
}
NEEDED: Mapping[str, Mapping[str, str]] = {
    "folder": {"path": "write the folder on the controller that holds the DAGs"},
    "git": {"repository": "write the repository's address", "ref": "write a tag, a full commit or a branch"},
    "s3": {"bucket": "write the bucket's name"},
    BUNDLES: {"bundles": "list the bundles with name, classpath and kwargs"},
}
SECRET_OPTIONS = ("deploy_key", "token", "secret_key")
DEFAULT_REQUIREMENTS = "requirements.txt"
DEFAULT_KEEP = 3
REF = r"[A-Za-z0-9_][A-Za-z0-9_./@+-]*"
SSH_ADDRESS = re.compile(r"ssh://\S+|[A-Za-z0-9._-]+@[A-Za-z0-9._-]+:\S+")
SCHEMES = ("https", "http", "ssh", "git", "file")
BUNDLE_KEYS = ("name", "classpath", "kwargs")
BUNDLE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
CLASSPATH = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+"
RESERVED_BUNDLES = ("example_dags",)


def problems_of(options: Mapping[str, Any]) -> list[str]:
    """What is wrong, one sentence each. An empty list means that the source can be asked."""
    source = str(options.get("source") or "")
    if source not in OPTIONS:
        found = f"{NAME}.source is {source!r}" if source else f"{NAME} has no source"
        return [f"{found}: use one of {', '.join(OPTIONS)}."]
    problems = [*_unknown_options(options), *_missing_options(options), *_wrong_types(options)]
    return problems or list(CHECKS[source](options))


def is_ssh(repository: str) -> bool:
    """Whether a repository is reached by ssh."""
    return SSH_ADDRESS.fullmatch(repository) is not None


def base_path(options: Mapping[str, Any]) -> str:
    """Where the DAGs are inside the repository or bucket; empty for its root."""
    path = posixpath.normpath(options.get("subdirectory") or options.get("prefix") or ".").strip("/")
    return "" if path == "." else path


def requirements_path(options: Mapping[str, Any]) -> str:
    """The file with requirements inside the repository or bucket, empty for none."""
    name = options.get("requirements", DEFAULT_REQUIREMENTS)
    if name is None:
        name = DEFAULT_REQUIREMENTS
    return posixpath.normpath(posixpath.join(base_path(options), name)) if name else ""


def kept_revisions(options: Mapping[str, Any]) -> int:
    """How many revisions stay on a host."""
    return int(options.get("keep") or DEFAULT_KEEP)


def _unknown_options(options: Mapping[str, Any]) -> Iterator[str]:
    known = OPTIONS[options["source"]]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            advice = f"{near[0]} is; rename it" if near else f"remove it, or use {', '.join(sorted(known))}"
            yield f"{NAME}.{name} is no option of the source {options['source']}: {advice}."


def _missing_options(options: Mapping[str, Any]) -> Iterator[str]:
    for name, advice in NEEDED[options["source"]].items():
        if options.get(name) in (None, "", []):
            yield f"{NAME} has the source {options['source']} and no {name}: {advice}."


def _wrong_types(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if name == "keep":
            if isinstance(value, bool) or not re.fullmatch(r"[1-9]\d*", str(value)):
                yield f"{NAME}.keep is {value!r}: write how many revisions stay on a host, 1 or more."
        elif name != BUNDLES and value is not None and not isinstance(value, str):
            shown = "" if name in SECRET_OPTIONS else f", not {value!r}"
            yield f"{NAME}.{name} must be a text{shown}: put it in quotes."


def _check_folder(_options: Mapping[str, Any]) -> Iterator[str]:
    yield from ()


def _check_git(options: Mapping[str, Any]) -> Iterator[str]:
    yield from _check_address(options)
    if not re.fullmatch(REF, options["ref"]) or ".." in options["ref"]:
        yield f"{NAME}.ref is {options['ref']!r}: write the name of a tag or a branch, or a full commit."
    yield from _check_paths(options, "subdirectory", "repository")


def _check_address(options: Mapping[str, Any]) -> Iterator[str]:
    address = options["repository"]
    scheme = "ssh" if is_ssh(address) else urlsplit(address).scheme
    if scheme not in SCHEMES and not address.startswith("/"):
        yield f"{NAME}.repository is {address!r}: write an address as in https://git.example.org/dags.git or git@git.example.org:dags.git."
    elif scheme in ("http", "https") and "@" in urlsplit(address).netloc:
        yield f"{NAME}.repository holds a user or password, which other users of the controller could read: set username and token."
    if options.get("token") and scheme != "https":
        yield f"{NAME}.token needs a repository whose address starts with https://: use that, or a deploy_key with ssh."
    if options.get("deploy_key") and scheme != "ssh":
        yield f"{NAME}.deploy_key needs a repository by ssh, as in git@git.example.org:dags.git: use that, or a token with https."


def _check_s3(options: Mapping[str, Any]) -> Iterator[str]:
    endpoint = options.get("endpoint_url")
    if endpoint and not re.fullmatch(r"https?://[^/\s@]+(/\S*)?", endpoint):
        yield f"{NAME}.endpoint_url is {endpoint!r}: write it in full, as in https://s3.example.org."
    if bool(options.get("access_key")) != bool(options.get("secret_key")):
        yield f"{NAME} has only one of access_key and secret_key: set both, or neither and let boto3 find its own."
    yield from _check_paths(options, "prefix", "bucket")


def _check_paths(options: Mapping[str, Any], folder: str, container: str) -> Iterator[str]:
    for name, path in ((folder, base_path(options)), ("requirements", requirements_path(options))):
        if (options.get(name) or "").startswith("/") or path.split("/")[0] == "..":
            yield f"{NAME}.{name} is {options.get(name)!r}: write a path that stays inside the {container}."
            return


def _check_bundles(options: Mapping[str, Any]) -> Iterator[str]:
    bundles = options[BUNDLES]
    if not isinstance(bundles, (list, tuple)):
        yield f"{NAME}.bundles must be a list of bundles with name, classpath and kwargs."
        return
    for number, bundle in enumerate(bundles, start=1):
        yield from _check_bundle(bundle, f"{NAME}.bundles, number {number},")
    names = [str(bundle.get("name")) for bundle in bundles if isinstance(bundle, Mapping)]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"{NAME}.bundles has the name {name} more than once: give each bundle its own."


def _check_bundle(bundle: Any, place: str) -> Iterator[str]:
    if not isinstance(bundle, Mapping) or set(bundle) - set(BUNDLE_KEYS) or not {"name", "classpath"} <= set(bundle):
        yield f"{place} must have name, classpath and, where its class takes some, kwargs: write these and nothing else."
        return
    if not re.fullmatch(BUNDLE_NAME, str(bundle["name"])) or bundle["name"] in RESERVED_BUNDLES:
        yield f"{place} has the name {bundle['name']!r}: use letters, digits and . _ -, and no name of Airflow's own."
    if not re.fullmatch(CLASSPATH, str(bundle["classpath"])):
        yield f"{place} has the classpath {bundle['classpath']!r}: write it in full, as in airflow.providers.git.bundles.git.GitDagBundle."
    if not isinstance(bundle.get("kwargs") or {}, Mapping):
        yield f"{place} has kwargs that are no mapping: write them as name: value."


CHECKS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "folder": _check_folder,
    "git": _check_git,
    "s3": _check_s3,
    BUNDLES: _check_bundles,
}
