# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS everywhere: what the topology compiler derives, and what it refuses, word for word."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._topology_model import GivenCertificate
from ansible_collections.updraft.airflow.plugins.module_utils._topology_rules_tls import covers
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import MemoryStore, compiled, daemon, facts, findings, info, installation, inventory, plan, single

EVERYTHING = "metadata_db broker worker flower"
CLUSTER = {
    "lb": "load_balancer",
    "m1": "webserver scheduler",
    "m2": "webserver scheduler",
    "s1": "metadata_db broker",
    "s2": "metadata_db broker",
    "s3": "metadata_db broker",
    "w1": "worker",
}
STORE = MemoryStore(metadata_db_password="old", broker_password="secret", results_db_password="results")
FILES = {f"airflow_tls_{part}": f"/pki/{part}.pem" for part in ("certificate", "key", "ca")}


def alone(components: str = EVERYTHING, **variables: Any) -> Inputs:
    """One host with everything."""
    inputs: Inputs = single(components, **{"airflow_tls": "own_ca", **variables})
    return inputs


def given(hosts: dict[str, str], *, names: dict[str, tuple[str, ...]], problems: tuple[str, ...] = (), **variables: Any) -> Inputs:
    """An inventory whose certificates the user gives."""
    inputs: Inputs = inventory(hosts, **{"airflow_tls": "given", **FILES, **variables})
    contents = {variable: f"{variable} of {name}" for variable in FILES for name in list(hosts)[:1]}
    return replace(inputs, given_certificates={name: GivenCertificate(names.get(name, ()), problems, contents) for name in hosts})


def running(recorded: str | None, version: str = "3.3.2", executor: str = "CeleryExecutor", **variables: Any) -> Inputs:
    """One host with an installation, and what it was recorded to encrypt with."""
    record = installation(version, executor=executor, **({"tls": recorded} if recorded else {}))
    record["environment"]["scheduler"]["AIRFLOW__CELERY__BROKER_URL"] = "redis://:secret@127.0.0.1:6379/0"
    units = ["airflow-scheduler.service", "airflow-webserver.service", "airflow-worker.service"]
    found = info(installation=record, units=units)
    inputs: Inputs = single("metadata_db broker worker", found=found, **variables)
    return inputs


@pytest.mark.parametrize("value", [False, "false", None])
def test_without_it_nothing_has_a_certificate(value: Any) -> None:
    result = plan(single(EVERYTHING, airflow_tls=value))
    assert result["certificates"] == []
    assert (result["broker"]["tls"], result["broker"]["ssl"]) == (None, None)
    assert result["broker"]["url"].startswith("redis://")
    assert result["database"]["ssl_mode"] == "disable"
    assert all(not each["reads"] for each in result["daemons"])


def test_everything_on_one_host_talks_tls() -> None:
    result = plan(alone())
    database, broker = result["database"], result["broker"]
    assert (database["ssl_mode"], database["ssl_root_cert"]) == ("verify-full", "/etc/airflow-tls/ca.crt")
    assert "sslmode=verify-full&sslrootcert=/etc/airflow-tls/ca.crt" in database["url"].replace("%2F", "/")
    assert "ssl=verify-full" in database["async_url"]
    assert database["settings"]["ssl_cert_file"] == "/etc/airflow-tls/postgresql/server.crt"
    assert {(rule["contype"], rule["method"]) for rule in database["hba"]} == {("hostssl", "scram-sha-256"), ("hostnossl", "reject")}
    assert {(rule["contype"], rule["state"]) for rule in database["former_hba"]} == {("host", "absent")}
    assert broker["url"].startswith("rediss://") and broker["url"].endswith("@127.0.0.1:6379/0")
    assert broker["ssl"] == {"ssl_cert_reqs": 2, "ssl_ca_certs": "/etc/airflow-tls/ca.crt", "ssl_check_hostname": True}
    assert json.loads(result["settings"]["celery"]["extra_celery_config"])["broker_use_ssl"] == broker["ssl"]
    assert result["settings"]["api"]["ssl_ca_file"] == "/etc/airflow-tls/ca.crt"
    assert result["settings"]["core"]["execution_api_server_url"] == "https://127.0.0.1:8080/execution/"
    assert result["settings"]["fab"]["cookie_secure"] == "True"
    assert result["webserver"]["base_url"] == "https://198.18.0.2:8080"
    assert (result["api"]["url"], result["api"]["ca_path"]) == ("https://127.0.0.1:8080", "/etc/airflow-tls/ca.crt")
    assert result["installation_record"]["tls"] == "own_ca"


def test_the_webserver_has_its_certificate_by_arguments_and_reads_it_at_its_start() -> None:
    for version, command in (("3.3.2", "api-server"), ("2.11.2", "webserver")):
        result = plan(alone(airflow_version=version))
        web = daemon(result, "webserver")
        assert web["arguments"][0] == command
        assert web["arguments"][-4:] == ["--ssl-cert", "/etc/airflow-tls/web/server.crt", "--ssl-key", "/etc/airflow-tls/web/server.key"]
        assert web["reads"] == ["/etc/airflow-tls/ca.crt", "/etc/airflow-tls/web/server.crt", "/etc/airflow-tls/web/server.key"]
        assert daemon(result, "worker")["reads"] == ["/etc/airflow-tls/ca.crt"]
        assert (web["health"]["url"][:22], web["health"]["ca_path"]) == ("https://127.0.0.1:8080", "/etc/airflow-tls/ca.crt")
        assert daemon(result, "flower")["environment"]["FLOWER_CERTFILE"] == "/etc/airflow-tls/web/server.crt"


def test_each_server_has_a_key_that_it_alone_reads() -> None:
    found = {entry["name"]: entry for entry in plan(alone())["certificates"]}
    assert {name: (entry.get("key"), entry.get("owner"), entry.get("group"), entry.get("mode")) for name, entry in found.items()} == {
        "database": ("/etc/airflow-tls/postgresql/server.key", "postgres", "postgres", "0600"),
        # Its role knows whether it is Redis or Valkey.
        "broker": ("/etc/airflow-tls/redis/server.key", "", "", "0600"),
        "web": ("/etc/airflow-tls/web/server.key", "root", "airflow", "0640"),
        "trusted": (None, None, None, None),
    }
    assert found["web"]["subject_alt_names"] == [
        "IP:198.18.0.2",
        "DNS:h1",
        "DNS:h1.example.org",
        "IP:127.0.0.1",
        "IP:::1",
        "DNS:localhost",
        "DNS:airflow-webserver",
    ]
    # etcd lets in who has a client's.
    assert all(entry["usages"] == ["serverAuth"] for entry in found.values() if entry["key"])


def test_mysql_and_rabbitmq() -> None:
    result = plan(
        alone(
            "metadata_db broker worker",
            system=facts(distribution="Ubuntu", distribution_major_version="24"),
            airflow_metadata_db_engine="mysql",
            airflow_broker_engine="rabbitmq",
        )
    )
    assert result["database"]["settings"]["ssl_key"] == "/etc/mysql/airflow-tls/server.key"
    assert "ssl_mode=VERIFY_IDENTITY&ssl_ca=" in result["database"]["url"]
    assert result["database"]["requires_tls"] is True
    assert result["broker"]["url"].startswith("amqps://") and ":5671/" in result["broker"]["url"]
    assert result["broker"]["ssl"] == {"cert_reqs": 2, "ca_certs": "/etc/airflow-tls/ca.crt", "server_hostname": None}
    assert daemon(result, "worker")["environment"]["AIRFLOW__CELERY__RESULT_BACKEND"].count("VERIFY_IDENTITY") == 1


def test_results_in_redis_are_verified_too() -> None:
    result = plan(alone(airflow_result_backend="redis"))
    options = json.loads(result["settings"]["celery"]["extra_celery_config"])
    assert options["redis_backend_use_ssl"] == options["broker_use_ssl"]
    assert daemon(result, "worker")["environment"]["AIRFLOW__CELERY__RESULT_BACKEND"].startswith("rediss://")


def test_in_a_cluster_the_load_balancer_serves_443_and_verifies_the_webservers() -> None:
    topology = compiled(inventory(CLUSTER, airflow_tls="own_ca", airflow_broker_engine="rabbitmq"))
    plans = {name: topology.plan(name) for name in CLUSTER}
    balancer = plans["lb"]["load_balancer"]
    assert (balancer["port"], balancer["plain_port"], balancer["health_url"]) == (
        443,
        80,
        "https://127.0.0.1:443/execution/health".replace(":443", ""),
    )
    assert balancer["tls"]["webserver_name"] == "airflow-webserver"
    assert plans["m1"]["settings"]["api"]["base_url"] == "https://198.18.0.2"
    assert plans["w1"]["settings"]["core"]["execution_api_server_url"] == "https://198.18.0.2/execution/"
    assert [entry["name"] for entry in plans["lb"]["certificates"]] == ["load_balancer"]
    assert [entry["name"] for entry in plans["w1"]["certificates"]] == ["trusted"]
    # A client that goes on to another node looks for the name of the first one.
    broker = next(entry for entry in plans["s2"]["certificates"] if entry["name"] == "broker")
    assert {"IP:198.18.0.5", "IP:198.18.0.6", "IP:198.18.0.7"} <= set(broker["subject_alt_names"])
    assert [entry["name"] for entry in plans["s2"]["certificates"]] == ["postgresql", "etcd", "broker"]


def test_clients_of_a_database_cluster_verify_its_members_through_the_proxy() -> None:
    topology = compiled(inventory(CLUSTER, airflow_tls="own_ca", airflow_broker_engine="rabbitmq"))
    database = topology.plan("m1")["database"]
    assert (database["host"], database["ssl_mode"], database["ssl_root_cert"]) == (
        "127.0.0.1",
        "verify-full",
        "/etc/airflow/database-proxy-ca.crt",
    )
    member = topology.plan("s1")
    assert "IP:127.0.0.1" in member["certificates"][0]["subject_alt_names"]
    assert any(
        line.startswith("hostssl airflow airflow 198.18.0.3/32")
        for line in member["database"]["cluster"]["settings"]["postgresql"]["pg_hba"]
    )
    assert not any(line.startswith("host ") for line in member["database"]["cluster"]["settings"]["postgresql"]["pg_hba"])


def test_two_load_balancers_have_their_shared_address_in_their_certificates() -> None:
    hosts = {**CLUSTER, "lb2": "load_balancer"}
    variables = {"airflow_load_balancer_address": "198.18.0.99", "airflow_base_url": "https://airflow.example.org"}
    topology = compiled(inventory(hosts, airflow_tls="own_ca", airflow_broker_engine="rabbitmq", **variables))
    for name in ("lb", "lb2", "m1"):
        names = topology.plan(name)["certificates"][0]["subject_alt_names"]
        assert {"IP:198.18.0.99", "DNS:airflow.example.org"} <= set(names)


def test_another_broker_is_verified_by_the_hosts_own_authorities() -> None:
    broker = {"airflow_broker_host": "redis.example.org", "airflow_broker_password": "x"}
    result = plan(alone("metadata_db worker", **broker))["broker"]
    assert (result["tls"], result["ssl"]["ssl_ca_certs"]) == (None, "/etc/ssl/certs/ca-certificates.crt")
    assert plan(alone("metadata_db worker", **broker, airflow_broker_tls=False))["broker"]["url"].startswith("redis://")
    assert plan(single("metadata_db worker", **broker, airflow_broker_tls=True))["broker"]["url"].startswith("rediss://")


def test_another_database_is_reached_as_its_mode_says() -> None:
    external = {"airflow_metadata_db_host": "db.example.org", "airflow_metadata_db_password": "x"}
    assert plan(alone("", **external))["database"]["ssl_mode"] == "prefer"


@pytest.mark.parametrize(("recorded", "wanted"), [(None, "own_ca"), ("false", "own_ca"), ("own_ca", "false")])
def test_tasks_end_before_tls_comes_or_goes(recorded: str | None, wanted: str) -> None:
    result = plan(running(recorded, airflow_tls=wanted), store=STORE)
    found = result["handover"]
    assert found["pauses"] is True
    assert (found["stop"], found["drain"]) == (["airflow-scheduler.service"], ["airflow-worker.service"])
    # The broker is the same: what waits in it stays there.
    assert (found["broker_url"], found["changes_executor"]) == (None, False)
    assert result["is_rolled"] is False


def test_with_given_certificates_the_broker_of_one_host_is_the_same_by_another_name() -> None:
    variables = {"airflow_tls": "given", **FILES, "airflow_advertised_address": "h1.example.org"}
    inputs = replace(running("own_ca", **variables), given_certificates={"h1": GivenCertificate(("h1.example.org",))})
    found = plan(inputs, store=STORE)["handover"]
    assert (found["pauses"], found["broker_url"]) == (True, None)


def test_nothing_stops_where_tls_stays() -> None:
    record = running("own_ca", airflow_tls="own_ca")
    assert plan(record, store=STORE)["handover"] is None


def test_given_certificates_are_for_names_so_nobody_talks_by_the_loopback_address() -> None:
    inputs = given(
        {"h1": f"webserver scheduler {EVERYTHING}"}, names={"h1": ("h1.example.org",)}, airflow_advertised_address="h1.example.org"
    )
    result = plan(inputs)
    assert result["database"]["host"] == "h1.example.org"
    assert result["broker"]["host"] == "h1.example.org"
    assert result["api"]["url"] == "https://h1.example.org:8080"
    assert result["settings"]["core"]["execution_api_server_url"] == "https://h1.example.org:8080/execution/"
    web = next(entry for entry in result["certificates"] if entry["name"] == "web")
    assert web["given"] == {
        "certificate": "airflow_tls_certificate of h1",
        "key": "airflow_tls_key of h1",
        "authority": "airflow_tls_ca of h1",
    }


REFUSED: dict[str, tuple[Inputs, str]] = {
    "unknown": (alone(airflow_tls="yes"), "airflow_tls is 'yes': use false, own_ca or given."),
    "two of MySQL": (
        inventory(
            {"h1": "webserver scheduler", "d1": "metadata_db", "d2": "metadata_db"},
            airflow_tls="own_ca",
            airflow_metadata_db_engine="mysql",
        ),
        "airflow_tls is own_ca, and group airflow_metadata_db has 2 hosts: several servers of MySQL are not set up with TLS yet; keep one, "
        "use PostgreSQL, or set airflow_tls to false.",
    ),
    "three of Redis": (
        inventory({"h1": "webserver scheduler metadata_db worker", "b1": "broker", "b2": "broker", "b3": "broker"}, airflow_tls="own_ca"),
        "airflow_tls is own_ca, and group airflow_broker has 3 hosts: several servers of Redis are not set up with TLS yet; keep one, use "
        "RabbitMQ, or set airflow_tls to false.",
    ),
    "a weaker mode": (
        alone(airflow_metadata_db_ssl_mode="prefer"),
        "airflow_metadata_db_ssl_mode is prefer, and with airflow_tls the database serves nobody in plain text: remove it, or use require, "
        "verify-ca or verify-full.",
    ),
    "a broker that is managed": (
        alone(airflow_broker_tls=True),
        "airflow_broker_tls says how a broker is reached that others look after, and this one is managed here: remove it, and set "
        "airflow_tls.",
    ),
    "a plain page": (
        alone(airflow_base_url="http://airflow.example.org"),
        "airflow_base_url is http://airflow.example.org, and airflow_tls is own_ca: let it begin with https://.",
    ),
    "a plain port": (
        inventory({"h1": "webserver scheduler load_balancer"}, airflow_tls="own_ca", airflow_load_balancer_port=80),
        "airflow_load_balancer_port is 80, where people are sent from to TLS: choose another one, or remove it.",
    ),
    "with the executor": (
        running("false", executor="LocalExecutor", airflow_tls="own_ca"),
        "airflow_tls goes from false to own_ca, and the executor or the broker changes too: do one after the other, each with a run of "
        "its own.",
    ),
    "files nobody reads": (
        alone(airflow_tls_key="/pki/key.pem"),
        "airflow_tls_key is set, and airflow_tls is own_ca: set that to given, or remove the name of the file.",
    ),
    "no file": (
        given({"h1": "webserver scheduler"}, names={}, airflow_tls_key=None),
        "airflow_tls is given, and airflow_tls_key is not set (h1): name a file on the controller.",
    ),
    "a wrong file": (
        given(
            {"h1": "webserver scheduler"},
            names={},
            problems=("airflow_tls_key is /pki/key.pem, which does not fit the certificate /pki/a: x",),
        ),
        "airflow_tls_key is /pki/key.pem, which does not fit the certificate /pki/a: x (h1).",
    ),
    "another name": (
        given({"h1": "webserver scheduler"}, names={"h1": ("h1.example.org",)}),
        "airflow_tls_certificate of h1 is for h1.example.org, and not for 198.18.0.2, by which others reach it: give one that is, or set "
        "airflow_advertised_address or airflow_base_url to a name that it has.",
    ),
    "webservers without a name": (
        given({"h1": "webserver scheduler", "lb": "load_balancer"}, names={"h1": ("198.18.0.2", "198.18.0.3"), "lb": ("198.18.0.3",)}),
        "airflow_tls is given, and the page's address https://198.18.0.3 has no name, by which the load balancer verifies the webservers: "
        "set airflow_base_url to https:// and a name that their certificates have.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_is_one_clear_sentence(case: str) -> None:
    inputs, sentence = REFUSED[case]
    assert sentence in findings(inputs, STORE)


def test_a_limited_run_does_not_change_it() -> None:
    hosts = {"h1": "webserver scheduler metadata_db", "h2": "triggerer"}
    there = {
        name: Host(name, {"airflow_tls": "own_ca"}, facts(f"198.18.0.{n}"), info(installation=installation()))
        for n, name in enumerate(hosts, 2)
    }
    inputs = replace(inventory(hosts, details=there), limited=["h2"])
    assert "This run is limited to h2, and TLS of all hosts would change: run the playbook for all hosts, without --limit." in findings(
        inputs, STORE
    )


def test_what_a_certificate_is_for() -> None:
    assert covers(["*.example.org"], "A.example.org") and covers(["198.18.0.2"], "198.18.0.2")
    assert not covers(["*.example.org"], "a.b.example.org")
    assert not covers(["*.example.org"], "example.org")
    assert not covers([], "a")


NAMES = {name: (name, f"198.18.0.{number}", "airflow.example.org") for number, name in enumerate(CLUSTER, 2)}
NODES = tuple(f"198.18.0.{number}" for number in (5, 6, 7))
PAGE: dict[str, Any] = {"airflow_base_url": "https://airflow.example.org", "airflow_broker_engine": "rabbitmq"}


def test_each_node_of_rabbitmq_has_the_names_of_all() -> None:
    names = {**NAMES, "s1": (*NAMES["s1"], *NODES), "s2": (*NAMES["s2"], *NODES)}
    assert findings(given(CLUSTER, names=names, **PAGE)) == [
        "airflow_tls_certificate of s3 is not for 198.18.0.5, 198.18.0.6: who goes on from one node of RabbitMQ to another looks for the "
        "name of the first one, so give each node a certificate with the names of all of them."
    ]
    assert findings(given(CLUSTER, names={**names, "s3": (*NAMES["s3"], *NODES)}, **PAGE)) == []


def test_a_given_certificate_that_ends_soon_is_told() -> None:
    inputs = given({"h1": "webserver scheduler metadata_db", "h2": "triggerer"}, names={"h1": ("198.18.0.2",)})
    ending = {name: replace(found, ends_soon="2026-12-24") for name, found in inputs.given_certificates.items()}
    told = "airflow_tls_certificate of h1 ends on 2026-12-24: have it renewed, and run updraft.airflow.rotate_certificates."
    assert told not in plan(inputs)["warnings"]
    # h2 serves nobody.
    assert [each for each in plan(replace(inputs, given_certificates=ending))["warnings"] if "2026-12-24" in each] == [told]


LOST = ["/c/tls/ca.crt.txt", "/c/tls/ca.key.txt"]
LOST_SENTENCE = (
    "This installation's own authority signed what its servers use, and this controller does not have /c/tls/ca.crt.txt, "
    "/c/tls/ca.key.txt: bring the folder tls back from a backup, or from the controller that made it; docs/tls.md tells how to begin anew "
    "where it is lost."
)


def test_an_authority_that_is_gone_is_not_made_again() -> None:
    lost = replace(running("own_ca", airflow_tls="own_ca"), missing_authority=LOST)
    assert findings(lost, STORE) == [LOST_SENTENCE]
    assert findings(replace(lost, missing_authority=LOST[1:]), STORE) == [LOST_SENTENCE.replace("/c/tls/ca.crt.txt, ", "")]
    # The way to begin anew: nobody uses it any more, and then a new one is made.
    assert findings(replace(running("own_ca", airflow_tls="false"), missing_authority=LOST), STORE) == []
    assert findings(replace(running("false", airflow_tls="own_ca"), missing_authority=LOST), STORE) == []
    assert findings(replace(alone(), missing_authority=LOST)) == []


@pytest.mark.parametrize("mode", ["false", "given"])
def test_the_authority_of_a_database_cluster_is_not_made_again(mode: str) -> None:
    hosts = {"m1": "webserver scheduler", **{f"d{number}": "metadata_db" for number in (1, 2, 3)}}
    member = {"is_made": True, "members": ["198.18.0.3"], "version": "15", "settings": {}, "passwords": {}}
    variables = {"airflow_tls": mode, **(FILES if mode == "given" else {})}
    details = {"d1": Host("d1", variables, facts("198.18.0.3"), info(patroni=member))}
    assert LOST_SENTENCE not in findings(replace(inventory(hosts, **variables), missing_authority=LOST))
    assert LOST_SENTENCE in findings(replace(inventory(hosts, details=details, **variables), missing_authority=LOST))


def refused(inputs: Inputs, host: str = "h1") -> list[str]:
    """Why certificates cannot be renewed."""
    return list(plan(inputs, host, STORE)["rotation_refusals"])


SITE_FIRST = "This playbook only renews certificates, and {}: run updraft.airflow.site first."


def test_certificates_are_renewed_where_nothing_else_changes() -> None:
    assert refused(running("own_ca", airflow_tls="own_ca")) == []
    assert refused(running("own_ca", airflow_tls="own_ca", airflow_rotate_authority=True)) == []


def test_what_else_would_change_is_sites_work() -> None:
    assert refused(alone()) == [SITE_FIRST.format("Airflow is on none of the hosts yet")]
    assert refused(running("false", airflow_tls="own_ca")) == [SITE_FIRST.format("airflow_tls goes from false to own_ca")]
    assert refused(running("own_ca", "3.3.1", airflow_tls="own_ca", airflow_version="3.3.2")) == [
        SITE_FIRST.format("the hosts run Airflow 3.3.1, not 3.3.2")
    ]
    assert refused(running("own_ca", airflow_tls="own_ca", executor="LocalExecutor")) == [
        SITE_FIRST.format("daemons of h1 would stop for another change or leave it")
    ]
    assert refused(running("false", airflow_tls="false")) == [
        "No host of this installation has a certificate: set airflow_tls to own_ca or given and run updraft.airflow.site."
    ]


def test_data_that_would_move_are_sites_work() -> None:
    record = installation(engine="sqlite", executor="LocalExecutor", tls="own_ca")
    host = Host("h1", {"airflow_tls": "own_ca"}, facts(), info(installation=record))
    inputs = inventory({"h1": "webserver scheduler metadata_db"}, details={"h1": host})
    assert refused(inputs) == [SITE_FIRST.format("the data would move to another database")]


def test_a_host_that_is_new_is_sites_work_and_an_authority_is_replaced_on_all_hosts() -> None:
    hosts = {"h1": "webserver scheduler metadata_db", "h2": "triggerer"}
    record = installation(tls="own_ca", database={"host": "198.18.0.2", "port": 5432, "name": "airflow"})
    rotating = {"airflow_tls": "own_ca", "airflow_rotate_authority": True}
    details = {"h1": Host("h1", rotating, facts(), info(installation=record, units=["airflow-scheduler.service"]))}
    inputs = inventory(hosts, details=details, **rotating)
    assert refused(inputs, "h2") == [SITE_FIRST.format("h2 has no Airflow yet")]
    assert refused(replace(inputs, limited=["h1"])) == [
        "airflow_rotate_authority is set, and this run is limited to h1: the others would neither trust the new authority nor have a "
        "certificate of it; run the playbook for all hosts, without --limit."
    ]


def test_the_authority_of_others_is_not_replaced() -> None:
    variables: dict[str, Any] = {"airflow_tls": "given", **FILES, "airflow_advertised_address": "h1.example.org"}
    variables["airflow_rotate_authority"] = True
    inputs = replace(running("given", **variables), given_certificates={"h1": GivenCertificate(("h1.example.org",))})
    assert refused(inputs)[0] == (
        "airflow_rotate_authority is set, and airflow_tls is given, whose authority is not this installation's: name a file with both "
        "authorities as airflow_tls_ca and run this playbook without it, then give the new certificates, then the new authority alone."
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "198.18.0.2"])
def test_flower_is_verified_by_what_a_given_certificate_is_for(address: str) -> None:
    names: dict[str, Any] = {"airflow_advertised_address": "h1.example.org", "airflow_flower_address": address}
    inputs = given({"h1": f"webserver scheduler {EVERYTHING}"}, names={"h1": ("h1.example.org",)}, **names)
    flower = daemon(plan(inputs), "flower")
    # It listens where it did: what is for this host alone is not opened to others.
    assert flower["arguments"][3] == address
    asked = "127.0.0.1" if address == "0.0.0.0" else address
    assert (flower["health"]["url"], flower["health"]["server_name"]) == (f"https://{asked}:5555/healthcheck", "h1.example.org")
    assert daemon(plan(alone()), "flower")["health"]["server_name"] is None
    status = compiled(inputs).status("h1")["host"]
    assert {each["name"]: each["server_name"] for each in status["daemons"] if each["server_name"]} == {"flower": "h1.example.org"}


def test_a_status_looks_at_the_certificates_of_servers() -> None:
    files = ["/etc/airflow-tls/postgresql/server.crt", "/etc/airflow-tls/redis/server.crt", "/etc/airflow-tls/web/server.crt"]
    assert compiled(alone()).status("h1")["host"]["probes"]["certificates"] == files
    assert compiled(single()).status("h1")["host"]["probes"]["certificates"] == []
    member = compiled(inventory(CLUSTER, airflow_broker_engine="rabbitmq")).status("s1")["host"]["probes"]
    assert member["certificates"] == ["/etc/etcd/tls/server.crt", "/etc/patroni/tls/server.crt"]
