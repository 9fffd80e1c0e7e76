# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about where the DAGs come from."""

from __future__ import annotations

from collections.abc import Iterator

from ._dag_options import BUNDLES, NAME, problems_of
from ._topology_dags import BUNDLE_LIST, bundles, comes_as_revision, dag_options, secret_kwargs
from ._topology_locks import lock_files, locked_names, package_name
from ._topology_model import Draft
from ._topology_stages import lock_parts
from ._topology_versions import parse_version

# Providers whose package has two words after apache-airflow-providers.
PROVIDER_FAMILIES = ("apache", "atlassian", "cncf", "common", "dbt", "microsoft")
# Earlier ones look up where the link leads, and take all DAGs for gone when that changes.
FIRST_WITH_LINKS = (2, 11, 0)


def options_are_right(draft: Draft) -> Iterator[str]:
    """What is written."""
    options = draft.values[NAME]
    if options is not None:
        yield from problems_of(options)


def bundles_need_airflow_3(draft: Draft) -> Iterator[str]:
    """2.x has one folder of DAGs."""
    if (draft.values[NAME] or {}).get("source") == BUNDLES and draft.line < 3:
        yield f"{NAME}.source is {BUNDLES}, and Airflow {draft.version} has none, they came with 3.0: use folder, git or s3."


def source_was_read(draft: Draft) -> Iterator[str]:
    """What the source itself said."""
    if not comes_as_revision(draft):
        return
    if draft.inputs.dags is None:
        yield f"The source in {NAME} was not read in this run: let the task file topology of the role common run on all hosts first."
    else:
        yield from draft.inputs.dags.get("findings") or ()


def one_place_says_where_dags_are(draft: Draft) -> Iterator[str]:
    """Airflow's own options for the same thing."""
    if not dag_options(draft):
        return
    names = [BUNDLE_LIST, ("core", "dags_folder")] if comes_as_revision(draft) else [BUNDLE_LIST]
    for section, option in names:
        if option in draft.config.get(section, {}):
            yield f"airflow_config sets [{section}] {option}, and {NAME} says where DAGs come from: remove one of them."


def adopted_dags_are_not_in_place(draft: Draft) -> Iterator[str]:
    """DAGs used where they are have no other source."""
    if draft.adopted_on is not None and dag_options(draft) and draft.variable(draft.adopted_on, "airflow_adopt_dags") == "in_place":
        yield f"airflow_adopt_dags of {draft.adopted_on} is in_place, and {NAME} says that DAGs come from elsewhere: remove one of them."


def bundle_classes_are_installed(draft: Draft) -> Iterator[str]:
    """The package of a provider's bundle class is in the lock or asked for."""
    locked = locked_names(lock_files(draft.inputs.files_dir, draft.version, lock_parts(draft)))
    known = locked | {package_name(text) for text in draft.values["airflow_requirements"]}
    for bundle in bundles(draft):
        classpath = str(bundle["classpath"])
        package = provider_package(classpath)
        if package and package not in known:
            kind = classpath.rpartition(".")[2]
            yield f"The bundle {bundle['name']} in {NAME} is a {kind}, which {package} brings: add that to airflow_requirements."


def provider_package(classpath: str) -> str | None:
    """The package that brings a class of a provider."""
    parts = classpath.split(".")
    if parts[:2] != ["airflow", "providers"]:
        return None
    words = parts[2:4] if parts[2] in PROVIDER_FAMILIES else parts[2:3]
    return "-".join(["apache", "airflow", "providers", *words]).replace("_", "-")


def bundle_secrets_are_not_expanded(draft: Draft) -> Iterator[str]:
    """Airflow replaces $NAME in what it reads from the environment."""
    for bundle in bundles(draft):
        for name in secret_kwargs(bundle):
            if "$" in str(bundle["kwargs"][name]):
                yield f"{name} of the bundle {bundle['name']} in {NAME} holds a $, which Airflow would expand: put it into a connection."


def links_are_followed(draft: Draft) -> Iterator[str]:
    """Warnings: a version that does not go well with a link."""
    version = parse_version(draft.version)
    if comes_as_revision(draft) and version and version < FIRST_WITH_LINKS:
        yield f"Airflow {draft.version} may take all DAGs for removed when {NAME} brings a new revision: 2.11.2 does not."


RULES = (
    options_are_right,
    bundles_need_airflow_3,
    source_was_read,
    one_place_says_where_dags_are,
    adopted_dags_are_not_in_place,
    bundle_classes_are_installed,
    bundle_secrets_are_not_expanded,
)
WARNINGS = (links_are_followed,)
