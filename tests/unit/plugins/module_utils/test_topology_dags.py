# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from `airflow_dags`, and what is refused, word for word."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import OLD_HOME, adopted, compiled, daemon, facts, findings, info, inventory, plan, server, single

REVISION = {
    "revision": "git-3f2a9c81b0de-5d41402a",
    "description": "those of v1 of https://git.example.org/dags.git (commit 3f2a9c81b0de)",
    "requirements": ["pandas==2.3.0", "humanize"],
    "details": {},
}
GIT = {"source": "git", "repository": "https://git.example.org/dags.git", "ref": "v1"}
SSH = {**GIT, "repository": "git@git.example.org:dags.git"}
S3 = {"source": "s3", "bucket": "dags"}
GIT_BUNDLE = {
    "name": "team",
    "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
    "kwargs": {"git_conn_id": "git", "tracking_ref": "main"},
}
LOCAL_BUNDLE = {"name": "shared", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {"path": "/srv/shared"}}
GIT_PROVIDER = ["apache-airflow-providers-git"]


def read(inputs: Inputs, **changed: Any) -> Inputs:
    """The inventory after its source was read."""
    return replace(inputs, dags={**REVISION, **changed})


def bundles(*entries: dict[str, Any], **variables: Any) -> Inputs:
    """One host of Airflow 3 with bundles."""
    inputs: Inputs = server(airflow_dags={"source": "bundles", "bundles": list(entries)}, **variables)
    return inputs


def wrong(**options: Any) -> Inputs:
    """One host with these options of `airflow_dags`."""
    inputs: Inputs = read(server(airflow_dags=options))
    return inputs


CASES = {
    "no source": (wrong(path="dags"), "airflow_dags has no source: use one of folder, git, s3, bundles."),
    "unknown source": (wrong(source="svn"), "airflow_dags.source is 'svn': use one of folder, git, s3, bundles."),
    "no mapping": (server(airflow_dags="dags/"), "airflow_dags must be a mapping (h1)."),
    "misspelt option": (
        wrong(**GIT, sub_directory="dags"),
        "airflow_dags.sub_directory is no option of the source git: subdirectory is; rename it.",
    ),
    "option of another source": (
        wrong(source="folder", path="dags", bucket="b"),
        "airflow_dags.bucket is no option of the source folder: remove it, or use keep, path, requirements, source.",
    ),
    "no path": (
        wrong(source="folder"),
        "airflow_dags has the source folder and no path: write the folder on the controller that holds the DAGs.",
    ),
    "no ref": (
        wrong(source="git", repository=GIT["repository"]),
        "airflow_dags has the source git and no ref: write a tag, a full commit or a branch.",
    ),
    "no bucket": (wrong(source="s3", bucket=""), "airflow_dags has the source s3 and no bucket: write the bucket's name."),
    "ref that is a number": (wrong(**{**GIT, "ref": 1.5}), "airflow_dags.ref must be a text, not 1.5: put it in quotes."),
    "token that is a number": (wrong(**GIT, token=12345), "airflow_dags.token must be a text: put it in quotes."),
    "nothing to keep": (wrong(**GIT, keep=0), "airflow_dags.keep is 0: write how many revisions stay on a host, 1 or more."),
    "ref that is an option": (
        wrong(**{**GIT, "ref": "--upload-pack=x"}),
        "airflow_dags.ref is '--upload-pack=x': write the name of a tag or a branch, or a full commit.",
    ),
    "repository that is a program": (
        wrong(**{**GIT, "repository": "ext::sh -c x"}),
        "airflow_dags.repository is 'ext::sh -c x': write an address as in https://git.example.org/dags.git or "
        "git@git.example.org:dags.git.",
    ),
    "password in the address": (
        wrong(**{**GIT, "repository": "https://jane:s3cret@git.example.org/dags.git"}),
        "airflow_dags.repository holds a user or password, which other users of the controller could read: set username and token.",
    ),
    "token in clear": (
        wrong(**{**GIT, "repository": "http://git.example.org/dags.git"}, token="t"),
        "airflow_dags.token needs a repository whose address starts with https://: use that, or a deploy_key with ssh.",
    ),
    "token with ssh": (
        wrong(**SSH, token="t"),
        "airflow_dags.token needs a repository whose address starts with https://: use that, or a deploy_key with ssh.",
    ),
    "key with https": (
        wrong(**GIT, deploy_key="k"),
        "airflow_dags.deploy_key needs a repository by ssh, as in git@git.example.org:dags.git: use that, or a token with https.",
    ),
    "subdirectory outside": (
        wrong(**GIT, subdirectory="../dags"),
        "airflow_dags.subdirectory is '../dags': write a path that stays inside the repository.",
    ),
    "absolute prefix": (wrong(**S3, prefix="/dags"), "airflow_dags.prefix is '/dags': write a path that stays inside the bucket."),
    "requirements outside": (
        wrong(**GIT, subdirectory="dags", requirements="../../requirements.txt"),
        "airflow_dags.requirements is '../../requirements.txt': write a path that stays inside the repository.",
    ),
    "endpoint without a scheme": (
        wrong(**S3, endpoint_url="s3.example.org"),
        "airflow_dags.endpoint_url is 's3.example.org': write it in full, as in https://s3.example.org.",
    ),
    "half of a key": (
        wrong(**S3, access_key="a"),
        "airflow_dags has only one of access_key and secret_key: set both, or neither and let boto3 find its own.",
    ),
    "bundles on 2.x": (
        bundles(LOCAL_BUNDLE, airflow_version="2.11.2"),
        "airflow_dags.source is bundles, and Airflow 2.11.2 has none, they came with 3.0: use folder, git or s3.",
    ),
    "bundle without a class": (
        bundles({"name": "a"}),
        "airflow_dags.bundles, number 1, must have name, classpath and, where its class takes some, kwargs: write these and nothing else.",
    ),
    "bundle of a name that Airflow uses": (
        bundles({**LOCAL_BUNDLE, "name": "example_dags"}),
        "airflow_dags.bundles, number 1, has the name 'example_dags': use letters, digits and . _ -, and no name of Airflow's own.",
    ),
    "bundle of half a class": (
        bundles({**LOCAL_BUNDLE, "classpath": "LocalDagBundle"}),
        "airflow_dags.bundles, number 1, has the classpath 'LocalDagBundle': write it in full, as in "
        "airflow.providers.git.bundles.git.GitDagBundle.",
    ),
    "bundles of one name": (
        bundles(LOCAL_BUNDLE, LOCAL_BUNDLE),
        "airflow_dags.bundles has the name shared more than once: give each bundle its own.",
    ),
    "bundle whose package is missing": (
        bundles(GIT_BUNDLE),
        "The bundle team in airflow_dags is a GitDagBundle, which apache-airflow-providers-git brings: add that to airflow_requirements.",
    ),
    "bundle whose package has two words": (
        bundles({"name": "b", "classpath": "airflow.providers.microsoft.azure.bundles.blob.BlobDagBundle"}),
        "The bundle b in airflow_dags is a BlobDagBundle, which apache-airflow-providers-microsoft-azure brings: add that to "
        "airflow_requirements.",
    ),
    "secret with a dollar": (
        bundles({**LOCAL_BUNDLE, "kwargs": {"token": "a$HOME"}}),
        "token of the bundle shared in airflow_dags holds a $, which Airflow would expand: put it into a connection.",
    ),
    "source not read": (
        server(airflow_dags=GIT),
        "The source in airflow_dags was not read in this run: let the task file topology of the role common run on all hosts first.",
    ),
    "source that cannot be read": (
        replace(server(airflow_dags=GIT), dags={"findings": ["git.example.org does not answer: check it."]}),
        "git.example.org does not answer: check it.",
    ),
    "another folder": (
        read(server(airflow_dags=GIT, airflow_config={"core": {"dags_folder": "/srv/dags"}})),
        "airflow_config sets [core] dags_folder, and airflow_dags says where DAGs come from: remove one of them.",
    ),
    "other bundles": (
        bundles(LOCAL_BUNDLE, airflow_config={"dag_processor": {"dag_bundle_config_list": "[]"}}),
        "airflow_config sets [dag_processor] dag_bundle_config_list, and airflow_dags says where DAGs come from: remove one of them.",
    ),
    "adopted in place": (
        read(
            single(
                "metadata_db",
                found=info(adopted=adopted(), metadata={"size_mb": 1, "revision": None}),
                airflow_adopt_home=OLD_HOME,
                airflow_adopt_dags="in_place",
                airflow_dags=GIT,
            )
        ),
        "airflow_adopt_dags of h1 is in_place, and airflow_dags says that DAGs come from elsewhere: remove one of them.",
    ),
}


@pytest.mark.parametrize(("inputs", "sentence"), CASES.values(), ids=CASES)
def test_what_is_refused(inputs: Inputs, sentence: str) -> None:
    assert findings(inputs) == [sentence]


@pytest.mark.parametrize(
    "options",
    [
        {"source": "folder", "path": "dags/", "requirements": "../requirements.txt", "keep": 5},
        {**GIT, "token": "t", "username": "jane", "subdirectory": "dags", "requirements": "../requirements.txt"},
        {**SSH, "deploy_key": "-----BEGIN", "known_hosts": "git.example.org ssh-ed25519 AAAA", "ref": "release/2026.11"},
        {**GIT, "repository": "ssh://git@git.example.org:2222/dags.git", "deploy_key": "key"},
        {**GIT, "repository": "/srv/git/dags.git", "ref": "a" * 40},
        {**S3, "prefix": "dags/", "endpoint_url": "http://127.0.0.1:9000", "access_key": "a", "secret_key": "s", "region": "eu-1"},
    ],
)
def test_what_is_right(options: dict[str, Any]) -> None:
    assert findings(read(server(airflow_dags=options))) == []


def test_nothing_is_managed_without_the_variable() -> None:
    found = plan(server())
    assert (found["dags"], found["dag_bundle_storage"], found["programs"]) == (None, None, [])


def test_the_plan_of_a_revision() -> None:
    found = plan(read(server(airflow_dags={**GIT, "keep": "4"}, airflow_user="flow")))
    assert found["dags"] == {
        "revision": "git-3f2a9c81b0de-5d41402a",
        "description": "those of v1 of https://git.example.org/dags.git (commit 3f2a9c81b0de)",
        "folder": "/opt/airflow/dag_revisions",
        "link": "/opt/airflow/dags",
        "owner": "flow",
        "keep": 4,
        "keep_seconds": 86400,
    }
    assert "Its DAGs are those of v1 of https://git.example.org/dags.git (commit 3f2a9c81b0de)." in found["report"]
    assert found["settings"].get("core", {}).get("dags_folder") in (None, "/opt/airflow/dags")


@pytest.mark.parametrize(("version", "expected"), [("2.11.2", {"h1", "h2", "h3"}), ("3.3.2", {"h2", "h3"})])
def test_who_gets_the_revision(version: str, expected: set[str]) -> None:
    hosts = {"h1": "webserver", "h2": "scheduler", "h3": "triggerer", "h4": "metadata_db"}
    inputs = read(inventory(hosts, airflow_dags=GIT, airflow_version=version))
    assert {host for host in hosts if plan(inputs, host)["dags"]} == expected


def test_requirements_beside_the_dags_are_installed() -> None:
    before = plan(read(server(airflow_dags=GIT, airflow_requirements=["humanize"]), requirements=[]))["environments"][0]
    after = plan(read(server(airflow_dags=GIT, airflow_requirements=["humanize"])))["environments"][0]
    assert before["requirements"] == ["humanize"]
    assert after["requirements"] == ["humanize", "pandas==2.3.0"]
    assert after["path"] != before["path"]


def test_a_carried_package_is_not_installed_twice() -> None:
    packages = [{"name": "pandas", "version": "2.0.0", "url": None}, {"name": "rich-cli", "version": "1.0", "url": None}]
    found = info(adopted=adopted(packages=packages), metadata={"size_mb": 1, "revision": None})
    inputs = read(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME, airflow_dags=GIT))
    assert plan(inputs)["environments"][0]["carried"] == ["rich-cli==1.0"]


def test_dags_of_the_old_home_are_not_brought_over() -> None:
    found = info(adopted=adopted(), metadata={"size_mb": 1, "revision": None})
    kinds = {
        name: [
            copy["what"]
            for copy in plan(read(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME, **dags)))["adopted"]["copies"]
        ]
        for name, dags in {"without": {}, "with": {"airflow_dags": GIT}}.items()
    }
    assert kinds == {"without": ["dags", "plugins", "logs"], "with": ["plugins", "logs"]}


def test_bundles_become_settings() -> None:
    found = plan(bundles(GIT_BUNDLE, LOCAL_BUNDLE, airflow_requirements=GIT_PROVIDER))
    settings = found["settings"]["dag_processor"]
    assert json.loads(settings["dag_bundle_config_list"])[:-1] == [GIT_BUNDLE, LOCAL_BUNDLE]
    assert settings["dag_bundle_storage_path"] == found["dag_bundle_storage"] == "/opt/airflow/dag_bundles"
    assert (found["dags"], found["programs"]) == (None, ["git"])
    assert "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST" not in daemon(found, "dag_processor")["environment"]


def test_a_secret_of_a_bundle_goes_to_the_daemons_that_fetch() -> None:
    secret = {"name": "other", "classpath": "acme.bundles.ApiBundle", "kwargs": {"url": "https://x.example.org", "api_token": "t0p"}}
    found = plan(bundles(LOCAL_BUNDLE, secret))
    assert "t0p" not in json.dumps(found["settings"])
    assert json.loads(found["settings"]["dag_processor"]["dag_bundle_config_list"])[1]["kwargs"] == {"url": "https://x.example.org"}
    name = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
    holders = {entry["name"]: entry["environment"].get(name) for entry in found["daemons"]}
    assert holders.pop("webserver") is None
    assert {json.loads(value)[1]["kwargs"]["api_token"] for value in holders.values()} == {"t0p"}


def test_an_address_with_a_password_is_a_secret_too() -> None:
    bundle = {**LOCAL_BUNDLE, "kwargs": {"repo_url": "https://jane:pw@git.example.org/x.git"}}
    assert "jane:pw" not in json.dumps(plan(bundles(bundle))["settings"])


def test_bundles_that_were_taken_over_give_way() -> None:
    own = adopted("3.3.2", config={"core": {"fernet_key": ""}, "dag_processor": {"dag_bundle_config_list": "[]", "refresh_interval": "60"}})
    found = info(adopted=own, metadata={"size_mb": 1, "revision": None})
    topology = compiled(
        read(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME, airflow_dags=GIT, airflow_canary_enabled="never"))
    )
    assert topology.plan("h1")["settings"]["dag_processor"] == {"refresh_interval": "60"}
    assert "[dag_processor] dag_bundle_config_list is not taken over: airflow_dags says where DAGs come from." in topology.draft.notes


def test_an_early_version_is_warned_of() -> None:
    topology = compiled(read(server(airflow_dags=GIT, airflow_version="2.10.4")))
    expected = "Airflow 2.10.4 may take all DAGs for removed when airflow_dags brings a new revision: 2.11.2 does not."
    assert expected in topology.draft.warnings


def test_every_sentence_is_said_with_others() -> None:
    found = findings(replace(server(airflow_dags={**GIT, "ref": "a b", "subdirectory": "/x"}, airflow_user="root"), dags=None))
    assert [sentence.split(" is ")[0] for sentence in found] == ["airflow_user", "airflow_dags.ref", "airflow_dags.subdirectory"]


TWO_READERS = {"m1": "webserver scheduler metadata_db broker", "w1": "worker", "lb": "load_balancer"}


def test_folders_that_nothing_keeps_equal_are_compared_before_the_start() -> None:
    topology = compiled(inventory(TWO_READERS))
    here = {"folder": "/opt/airflow/dags", "left_alone": None, "its_folder": "/opt/airflow/dags"}
    assert [topology.plan(name)["present_dags"] for name in TWO_READERS] == [here, here, None]
    assert [topology.plan(name)["compared_dags"] for name in TWO_READERS] == ["/opt/airflow/dags", "/opt/airflow/dags", None]


@pytest.mark.parametrize("inputs", [server(), read(inventory(TWO_READERS, airflow_dags=GIT))], ids=["one host", "kept equal"])
def test_other_folders_are_not(inputs: Inputs) -> None:
    for name in inputs.hosts:
        assert (compiled(inputs).plan(name)["present_dags"], compiled(inputs).plan(name)["compared_dags"]) == (None, None)


def test_a_folder_is_looked_at_where_it_is_before_it_is_taken_over() -> None:
    found = info(adopted=adopted("3.3.2"), metadata={"size_mb": 1, "revision": None})
    own = Host("m1", {"airflow_adopt_home": OLD_HOME}, facts("198.18.0.2"), found)
    topology = compiled(inventory(TWO_READERS, details={"m1": own}))
    assert topology.plan("m1")["present_dags"]["folder"] == f"{OLD_HOME}/dags"
    assert topology.plan("w1")["present_dags"]["folder"] == topology.plan("m1")["compared_dags"] == "/opt/airflow/dags"
