# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the topology compiler refuses, word for word."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import (
    FILES,
    OLD_HOME,
    PYTHON_313,
    MemoryStore,
    adopted,
    cluster,
    facts,
    findings,
    info,
    installation,
    inventory,
    on_server,
    plan,
    server,
    single,
)

ALL = "webserver scheduler metadata_db"


def taking_over(components: str = "metadata_db", version: str = "2.11.2", wanted: dict[str, Any] | None = None, **changed: Any) -> Inputs:
    """An inventory that takes over an installation made by hand."""
    found = info(adopted=adopted(version, **changed), metadata={"size_mb": 10, "revision": None})
    inputs: Inputs = single(components, found=found, airflow_adopt_home=OLD_HOME, **(wanted or {}))
    return inputs


def moving(found: dict[str, Any], version: str = "2.11.2") -> Inputs:
    """An inventory that takes over an installation with this database."""
    inputs: Inputs = single("metadata_db", found=info(adopted=adopted(version), metadata=found), airflow_adopt_home=OLD_HOME)
    return inputs


def metadata(revision: str | None, tables: dict[str, int]) -> dict[str, Any]:
    """What is found in a database."""
    return {"path": f"{OLD_HOME}/airflow.db", "size_mb": 1, "revision": revision, "tables": tables}


def running(record: dict[str, Any], components: str = "metadata_db", free_mb: dict[str, int] | None = None, **variables: Any) -> Inputs:
    """An inventory whose host has an installation of this collection."""
    found = info(installation=record, **({"free_mb": free_mb} if free_mb else {}))
    inputs: Inputs = single(components, found=found, **variables)
    return inputs


def apart(*clocks: dict[str, float]) -> dict[str, Host]:
    """Hosts h1, h2 and so on with these clocks."""
    return {f"h{number}": Host(f"h{number}", {}, facts(f"198.18.0.{number}"), info(clock=clock)) for number, clock in enumerate(clocks, 1)}


HOST_CASES = {
    "no webserver": (
        inventory({"h1": "scheduler"}),
        "Group airflow_webserver has no host: put one into it.",
    ),
    "no scheduler": (
        inventory({"h1": "webserver"}),
        "Group airflow_scheduler has no host: put one into it.",
    ),
    "renamed group": (
        inventory({"h1": "webserver"}, airflow_scheduler_group="blue_scheduler"),
        "Group blue_scheduler has no host: put one into it.",
    ),
    "a group with a slip in its name": (
        inventory({"h1": "webserver shceduler"}),
        "airflow_shceduler is not a group of this collection: airflow_scheduler is; rename it.",
    ),
    "a group too many": (
        inventory({"h1": ALL, "h2": "workers"}),
        "airflow_workers is not a group of this collection: airflow_worker is; rename it.",
    ),
    "monitoring": (
        inventory({"h1": f"{ALL} monitoring"}),
        "Monitoring is not supported by this release: remove the hosts of group airflow_monitoring.",
    ),
    "two webservers": (
        inventory({"h1": ALL, "h2": "webserver"}),
        "Group airflow_webserver has 2 hosts (h1, h2) and nothing stands in front of them: put a host into airflow_load_balancer, or set "
        "airflow_base_url to the address of what does.",
    ),
    "an unknown load balancer": (
        inventory({"h1": ALL, "h2": "webserver", "h3": "load_balancer"}, airflow_load_balancer_engine="traefik"),
        "airflow_load_balancer_engine is 'traefik': use nginx or haproxy.",
    ),
    "two load balancers": (
        inventory({"h1": ALL, "h2": "load_balancer", "h3": "load_balancer"}),
        "Group airflow_load_balancer has 2 hosts (h2, h3) and no address that they share: set airflow_load_balancer_address to a free one "
        "of their network, or keep one host.",
    ),
    "three load balancers": (
        inventory(
            {"h1": ALL, "h2": "load_balancer", "h3": "load_balancer", "h4": "load_balancer"}, airflow_load_balancer_address="198.18.0.99"
        ),
        "Group airflow_load_balancer has 3 hosts (h2, h3, h4), and one address is shared by two at most: keep two.",
    ),
    "a shared address for one load balancer": (
        inventory({"h1": ALL, "h2": "load_balancer"}, airflow_load_balancer_address="198.18.0.99"),
        "airflow_load_balancer_address is 198.18.0.99, which two load balancers share, and group airflow_load_balancer has 1 host: add "
        "one, or remove it.",
    ),
    "a shared address that is a network": (
        inventory({"h1": ALL, "h2": "load_balancer", "h3": "load_balancer"}, airflow_load_balancer_address="198.18.0.99/24"),
        "airflow_load_balancer_address is '198.18.0.99/24': write an IP address without port or network.",
    ),
    "a shared address that is a host's own": (
        inventory({"h1": ALL, "h2": "load_balancer", "h3": "load_balancer"}, airflow_load_balancer_address="198.18.0.2"),
        "airflow_load_balancer_address is 198.18.0.2, which is h1's own address: choose a free one of their network.",
    ),
    "a load balancer on the webserver's port": (
        inventory({"h1": f"{ALL} load_balancer"}, airflow_load_balancer_port=8080),
        "airflow_webserver_port is 8080, which airflow_load_balancer_port has on the same host: choose another one.",
    ),
    "two schedulers on SQLite": (
        inventory({"h1": "webserver scheduler", "h2": "scheduler"}),
        "Group airflow_scheduler has 2 hosts (h1, h2), and SQLite has no row locks for several schedulers: keep one, or put a host into "
        "airflow_metadata_db.",
    ),
    "two databases": (
        inventory({"h1": ALL, "h2": "metadata_db"}),
        "Group airflow_metadata_db has 2 hosts (h1, h2): of two database servers neither has a majority when they lose each other; keep "
        "one, or make them three.",
    ),
    "SQLite on two hosts": (
        inventory({"h1": "webserver", "h2": "scheduler"}),
        "Airflow runs on h1, h2, and SQLite is a file on one host: put a host into airflow_metadata_db or set airflow_metadata_db_host.",
    ),
    "a host outside the parent group": (
        Inputs(server().hosts, {**server().groups, "airflow_triggerer": ["h9"]}, FILES),
        "airflow_triggerer has hosts that are not in airflow (h9): make it a child of airflow.",
    ),
    "a host that was not read": (
        inventory({"h1": ALL, "h2": "triggerer"}, details={"h2": Host("h2", {}, {}, None)}),
        "h2 was not read in this run: it must be reachable, for what one host gets depends on all of them.",
    ),
    "a host that could not be looked at": (
        inventory(
            {"h1": ALL, "h2": "triggerer"}, details={"h2": Host("h2", {}, facts(), None, "The record cannot be read (x); repair it")}
        ),
        "h2 could not be looked at: The record cannot be read (x); repair it.",
    ),
    "no systemd": (
        server(found=info(systemd=False)),
        "h1 does not run systemd, which starts and stops the daemons: use a host that does.",
    ),
    "unknown system": (
        server(system=facts(distribution="Alpine", os_family="Alpine", release="3")),
        "h1 runs Alpine 3, which is not supported: use Debian 12 or 13.",
    ),
    "two clocks": (
        inventory({"h1": ALL, "h2": "triggerer"}, details=apart({"least": -1.5, "most": 0.5}, {"least": 41.2, "most": 44.0})),
        "The clock of h2 is at least 41 seconds ahead of that of h1: let a time server set the clock (timedatectl set-ntp true) on both.",
    ),
    "a clock behind the others'": (
        inventory({"h1": ALL, "h2": "triggerer"}, details=apart({"least": -1.5, "most": 0.5}, {"least": -3602.0, "most": -3600.0})),
        "The clock of h1 is at least 3598 seconds ahead of that of h2: let a time server set the clock (timedatectl set-ntp true) on both.",
    ),
    "a clock ahead": (
        server(found=info(clock={"least": 299.8, "most": 303.0})),
        "The clock of h1 is at least 300 seconds ahead of that of the controller: let a time server set the clock (timedatectl set-ntp "
        "true) on both.",
    ),
    "a clock behind": (
        server(found=info(clock={"least": -303.0, "most": -299.8})),
        "The clock of h1 is at least 300 seconds behind that of the controller: let a time server set the clock (timedatectl set-ntp "
        "true) on both.",
    ),
    "no address": (
        inventory({"h1": ALL, "h2": "triggerer"}, details={"h2": Host("h2", {}, facts(None), info())}),
        "h2 has no default IPv4 address for the other hosts to reach it by: set airflow_advertised_address on it.",
    ),
    "one address twice": (
        inventory({"h1": ALL, "h2": "triggerer"}, details={"h2": Host("h2", {}, facts("198.18.0.2"), info())}),
        "h1, h2 have the same address 198.18.0.2: set airflow_advertised_address on each.",
    ),
    "a loopback address": (
        inventory({"h1": ALL, "h2": "triggerer"}, details={"h2": Host("h2", {"airflow_advertised_address": "127.0.0.1"}, facts(), info())}),
        "airflow_advertised_address of h2 is 127.0.0.1, which other hosts cannot reach: set its address.",
    ),
    "an address with a port": (
        server(airflow_advertised_address="http://h1:80"),
        "airflow_advertised_address of h1 must be an address or a host name without port, not 'http://h1:80'.",
    ),
    "unknown size": (
        server(airflow_size="huge"),
        "airflow_size of h1 is 'huge': use one of auto, small, medium, large.",
    ),
}

VERSION_CASES = {
    "half a version": (
        server(airflow_version="3.3"),
        "airflow_version is '3.3', which is not a release: write it in full, as in 3.3.2.",
    ),
    "an old version of what runs": (
        running(installation("3.3.2"), airflow_version="2.9.3"),
        "airflow_version 2.9.3 is not supported: use 2.10 to 2.11 or 3.x (2.11.2 and 3.3.2 are tested).",
    ),
    "a version of another time": (
        running(installation("3.3.2"), airflow_version="4.0.0"),
        "airflow_version 4.0.0 is not supported: use 2.10 to 2.11 or 3.x (2.11.2 and 3.3.2 are tested).",
    ),
    "a downgrade to another line": (
        running(installation("3.3.2"), airflow_version="2.11.2"),
        "airflow_version 2.11.2 is older than the running 3.3.2, and Airflow cannot go back: set airflow_version to 3.3.2 or newer, or "
        "restore a backup.",
    ),
    "an old version": (
        server(airflow_version="2.9.3"),
        "airflow_version 2.9.3 is not supported: use 2.10 to 2.11 or 3.x (2.11.2 and 3.3.2 are tested).",
    ),
    "downgrade": (
        running(installation("3.3.2"), airflow_version="3.3.1"),
        "airflow_version 3.3.1 is older than the running 3.3.2, and Airflow cannot go back: set airflow_version to 3.3.2 or newer, or "
        "restore a "
        "backup.",
    ),
    "downgrade in a move": (
        taking_over(version="3.3.2", wanted={"airflow_version": "2.11.2"}),
        "airflow_version 2.11.2 is older than the running 3.3.2, and Airflow cannot go back: set airflow_version to 3.3.2 or newer, or "
        "restore a "
        "backup.",
    ),
    "upgrade in place": (
        running(installation("2.11.2"), airflow_version="3.3.2"),
        "The existing installation is Airflow 2.11.2, and 3.3.2 has another database schema: an upgrade in place is not supported by this "
        "release; set airflow_version to a version of the schema it has (2.11.2).",
    ),
    "upgrade of an adopted server": (
        single(
            found=info(adopted=on_server("postgresql://jane:x@db/airflow")),
            airflow_adopt_home=OLD_HOME,
            airflow_version="3.3.2",
        ),
        f"The installation in {OLD_HOME} is Airflow 2.11.2, and 3.3.2 has another database schema: an upgrade in place is not supported by "
        "this release; set airflow_version to a version of the schema it has (2.11.2).",
    ),
    "a version of the future": (
        running(installation("3.3.2"), airflow_version="3.5.0"),
        "The existing installation is Airflow 3.3.2, and 3.5.0 has another database schema: an upgrade in place is not supported by this "
        "release; set airflow_version to a version of the schema it has (3.3.2).",
    ),
    "an old 2.x to move": (
        taking_over(version="2.6.3"),
        f"The installation in {OLD_HOME} is Airflow 2.6.3, and this release moves the data of 2.7 to 2.11 and of 3.0 to 3.3 only: upgrade "
        "it to "
        "2.11.2 by hand first (with a backup), then run again.",
    ),
    "a 3.x of the future to move": (
        taking_over(version="3.4.0"),
        f"The installation in {OLD_HOME} is Airflow 3.4.0, and this release moves the data of 2.7 to 2.11 and of 3.0 to 3.3 only: upgrade "
        "it to "
        "3.3.2 by hand first (with a backup), then run again.",
    ),
    "an old 2.x to a version that does not know the schema of its rows": (
        taking_over(version="2.9.3", wanted={"airflow_version": "2.10.2"}),
        "The data of Airflow 2.9.3 is brought to the schema of 2.11.2 before it is moved, which 2.10.2 does not know: set airflow_version "
        "to 2.11.2.",
    ),
    "an old 3.x to a version that does not know the schema of its rows": (
        taking_over(version="3.0.6", wanted={"airflow_version": "3.2.0"}),
        "The data of Airflow 3.0.6 is brought to the schema of 3.3.2 before it is moved, which 3.2.0 does not know: set airflow_version "
        "to 3.3.2.",
    ),
    "a file that the old version has not migrated": (
        moving(metadata("405de8318b3a", {"dag": 1}), version="2.9.3"),
        f"The database {OLD_HOME}/airflow.db on h1 has the schema of Airflow 2.7.0, and the installation there is 2.9.3: run 'airflow db "
        "migrate' of the old installation first.",
    ),
    "an empty file to move": (
        moving(metadata(None, {})),
        f"The database {OLD_HOME}/airflow.db on h1 is empty, so there is nothing to move: correct [database] sql_alchemy_conn of the "
        "installation to take over, or restore the file.",
    ),
    "a file of somebody else to move": (
        moving(metadata(None, {"customers": 3, "orders": 9, "parts": 1, "persons": 0, "places": 7})),
        f"The database {OLD_HOME}/airflow.db on h1 is none of Airflow's: it has no revision of a schema, and the tables customers, orders, "
        "parts and 2 more; correct [database] sql_alchemy_conn of the installation to take over, or restore the file.",
    ),
    "a file newer than its installation": (
        moving(metadata("d2f4e1b3c5a7", {"dag": 1})),
        f"The database {OLD_HOME}/airflow.db on h1 has the schema of Airflow 3.3.0, which is newer than the 2.11.2 that was found there: "
        "install that version in the old environment, or restore the database from a backup.",
    ),
    "a file older than its installation": (
        moving(metadata("22ed7efa9da2", {"dag": 1})),
        f"The database {OLD_HOME}/airflow.db on h1 has the schema of Airflow 2.10.0, and the installation there is 2.11.2: run 'airflow db "
        "migrate' of the old installation first.",
    ),
    "a file of an unknown schema": (
        moving(metadata("0123456789ab", {"dag": 1})),
        f"The database {OLD_HOME}/airflow.db on h1 is at the revision 0123456789ab, which is none of Airflow 2.11.2's: bring it to that by "
        "'airflow db migrate' of the old installation, or restore it from a backup.",
    ),
    "unknown executor": (
        server(airflow_executor="KubernetesExecutor"),
        "airflow_executor KubernetesExecutor is not supported: use LocalExecutor, CeleryExecutor or SequentialExecutor.",
    ),
    "Sequential on 3.x": (
        single(airflow_executor="SequentialExecutor"),
        "airflow_executor SequentialExecutor does not exist in Airflow 3.3.2: use LocalExecutor, which works on SQLite there.",
    ),
    "Local on SQLite with 2.x": (
        single(airflow_executor="LocalExecutor", airflow_version="2.11.2"),
        "airflow_executor LocalExecutor needs a database server with Airflow 2.11.2: put a host into airflow_metadata_db or set "
        "airflow_metadata_db_host.",
    ),
    "no Python": (
        server(found=info(pythons=[PYTHON_313]), airflow_version="2.11.2"),
        "Airflow 2.11.2 needs Python 3.11 to 3.12, and h1 has /usr/bin/python3.13 (3.13.5): install one and name its path in "
        "airflow_python, "
        "or set another airflow_version.",
    ),
    "no Python at all": (
        server(found=info(pythons=[])),
        "Airflow 3.3.2 needs Python 3.11 to 3.14, and h1 has none: install one and name its path in airflow_python, or set another "
        "airflow_version.",
    ),
    "Python not found": (
        server(airflow_python="3.14"),
        "airflow_python of h1 is '3.14', which was not found there (found: /usr/local/bin/python3.12 (3.12.4), /usr/bin/python3.11 "
        "(3.11.2)): "
        "name one of those, or install it.",
    ),
    "Python out of range": (
        server(airflow_python="/opt/python3.10/bin/python3.10"),
        "Airflow 3.3.2 needs Python 3.11 to 3.14, and airflow_python of h1 is /opt/python3.10/bin/python3.10 (3.10): name another one.",
    ),
    "no Python for the source": (
        single(
            "metadata_db",
            found=info(adopted=adopted(python=PYTHON_313), pythons=[PYTHON_313], metadata={"size_mb": 1}),
            airflow_adopt_home=OLD_HOME,
            airflow_version="3.3.2",
        ),
        "The data is copied by Airflow 2.11.2 first, which needs Python 3.11 to 3.12, and h1 has none: install one there.",
    ),
    "the scheduler left the source": (
        inventory(
            {"h1": "webserver", "h2": "scheduler metadata_db"},
            details={"h1": Host("h1", {}, facts(), info(installation=installation(engine="sqlite")))},
        ),
        "The SQLite database to move is on h1, where no scheduler is to run any more: keep h1 in airflow_scheduler for the move.",
    ),
    "too little room": (
        server(found=info(free_mb={"home": 500, "config_dir": 500})),
        "h1 has 500 MB free for /opt/airflow, and about 600 MB are needed: make room.",
    ),
    "too little room for a move": (
        single(
            "metadata_db",
            found=info(adopted=adopted(), metadata={"size_mb": 1000}, free_mb={"home": 4000, "postgresql": 4000}),
            airflow_adopt_home=OLD_HOME,
        ),
        "h1 has 4000 MB free for /opt/airflow, and about 4200 MB are needed: make room.",
    ),
    "too little room for a copy that is brought to another schema": (
        single(
            "metadata_db",
            found=info(adopted=adopted("2.9.3"), metadata={"size_mb": 1000}, free_mb={"home": 6000, "postgresql": 4000}),
            airflow_adopt_home=OLD_HOME,
        ),
        "h1 has 6000 MB free for /opt/airflow, and about 10200 MB are needed: make room.",
    ),
    "too little room for logs": (
        single(
            "metadata_db",
            found=info(adopted=adopted(), metadata={"size_mb": 10}, free_mb={"home": 4000}, copies_mb=5000),
            airflow_adopt_home=OLD_HOME,
        ),
        "h1 has 4000 MB free for /opt/airflow, and about 6210 MB are needed: make room.",
    ),
    "too little room for the server's data": (
        single(
            "metadata_db",
            found=info(
                adopted=adopted(),
                metadata={"size_mb": 1000},
                free_mb={"home": 4000, "postgresql": 1500, "mysql": 1500},
                devices={"home": 1, "postgresql": 2, "mysql": 2},
            ),
            airflow_adopt_home=OLD_HOME,
        ),
        "h1 has 1500 MB free for the data of PostgreSQL, and about 2000 MB are needed: make room.",
    ),
    "a disk that has become full": (
        running(installation(), free_mb={"home": 3, "config_dir": 3}),
        "h1 has 3 MB free for /opt/airflow, and about 100 MB are needed: make room.",
    ),
}

DATABASE_CASES = {
    "MariaDB": (
        single(airflow_metadata_db_engine="mariadb"),
        "airflow_metadata_db_engine mariadb: Airflow does not support MariaDB, whose row locks differ from MySQL's; "
        "use postgresql or mysql.",
    ),
    "unknown engine": (
        single(airflow_metadata_db_engine="oracle"),
        "airflow_metadata_db_engine oracle is not supported: use postgresql, mysql or sqlite.",
    ),
    "SQLite with a group": (
        server(airflow_metadata_db_engine="sqlite"),
        "airflow_metadata_db_engine is sqlite and group airflow_metadata_db has hosts (h1): remove one of them.",
    ),
    "SQLite with a host": (
        single(airflow_metadata_db_engine="sqlite", airflow_metadata_db_host="db"),
        "airflow_metadata_db_engine is sqlite and airflow_metadata_db_host is db: remove one of them.",
    ),
    "PostgreSQL without a server": (
        single(airflow_metadata_db_engine="postgresql"),
        "airflow_metadata_db_engine is postgresql and no server is named: set airflow_metadata_db_host, or put a host into "
        "airflow_metadata_db.",
    ),
    "unmanaged without a server": (
        single(airflow_metadata_db_engine="postgresql", airflow_metadata_db_managed=False),
        "airflow_metadata_db_managed is false and no server is named: set airflow_metadata_db_host, or put a host into "
        "airflow_metadata_db.",
    ),
    "unmanaged without anything": (
        single(airflow_metadata_db_managed=False),
        "airflow_metadata_db_managed is false and no server is named: set airflow_metadata_db_host and airflow_metadata_db_password.",
    ),
    "managed without a group": (
        single(airflow_metadata_db_managed=True, airflow_metadata_db_host="db"),
        "airflow_metadata_db_managed is true and group airflow_metadata_db has no host: put one into it.",
    ),
    "group and host": (
        server(airflow_metadata_db_host="db"),
        "airflow_metadata_db_host is db and group airflow_metadata_db has hosts (h1): remove one of them, or say which it is by "
        "airflow_metadata_db_managed.",
    ),
    "external without a password": (
        single(airflow_metadata_db_host="db"),
        "airflow_metadata_db_password is not set, and a database server that is not managed here needs it.",
    ),
    "external loopback of several hosts": (
        inventory({"h1": "webserver", "h2": "scheduler"}, airflow_metadata_db_host="localhost", airflow_metadata_db_password="x"),
        "The metadata database is at localhost, and Airflow runs on several hosts (h1, h2): use an address all of them reach.",
    ),
    "vanished database": (
        running(installation(), ""),
        "The existing installation is on postgresql (127.0.0.1), and the inventory names no database server any more: put its host back "
        "into "
        "airflow_metadata_db, or set airflow_metadata_db_host.",
    ),
    "server to SQLite": (
        running(installation(), "", airflow_metadata_db_engine="sqlite"),
        "The existing installation is on postgresql (127.0.0.1) and airflow_metadata_db_engine is sqlite: data is never moved to SQLite; "
        "remove that variable.",
    ),
    "adopted server to SQLite": (
        single(
            found=info(adopted=on_server("postgresql://jane:x@db/airflow")),
            airflow_adopt_home=OLD_HOME,
            airflow_metadata_db_engine="sqlite",
        ),
        f"The installation in {OLD_HOME} is on postgresql and airflow_metadata_db_engine is sqlite: data is never moved to SQLite; "
        "remove that "
        "variable.",
    ),
    "another server": (
        running(installation(), "", airflow_metadata_db_host="db.example.org", airflow_metadata_db_password="old"),
        "The existing installation is on airflow at 127.0.0.1:5432, and the inventory now says airflow at db.example.org:5432: moving from "
        "server to server is not supported by this release; name the old one.",
    ),
    "another database name": (
        running(installation(), airflow_metadata_db_name="second"),
        "The existing installation is on airflow at 127.0.0.1:5432, and the inventory now says second at 127.0.0.1:5432: moving from "
        "server "
        "to server is not supported by this release; name the old one.",
    ),
    "PostgreSQL too old": (
        server(system=facts(release="11")),
        "Airflow 3.3.2 needs PostgreSQL 14 or newer, and h1's distribution has 13: use a newer distribution there, or another server by "
        "airflow_metadata_db_host.",
    ),
    "database name": (
        server(airflow_metadata_db_name="Air-flow"),
        "airflow_metadata_db_name is 'Air-flow': it must start with a letter and hold small letters, digits and _ only (63 at most).",
    ),
    "user name": (
        server(airflow_metadata_db_user='air"flow'),
        "airflow_metadata_db_user is 'air\"flow': it must start with a letter and hold small letters, digits and _ only (63 at most).",
    ),
    "reserved user": (
        server(airflow_metadata_db_user="postgres"),
        "airflow_metadata_db_user is 'postgres', which PostgreSQL keeps for itself: choose another name.",
    ),
    "reserved database": (
        server(airflow_metadata_db_name="template1"),
        "airflow_metadata_db_name is 'template1', which PostgreSQL keeps for itself: choose another name.",
    ),
    "external database name": (
        single(airflow_metadata_db_host="db", airflow_metadata_db_password="x", airflow_metadata_db_name="a b"),
        "airflow_metadata_db_name is 'a b': it may hold letters, digits and _ . $ - only.",
    ),
    "host with a port": (
        single(airflow_metadata_db_host="db/x", airflow_metadata_db_password="x"),
        "airflow_metadata_db_host is 'db/x': write an address or a name, without scheme, port or brackets.",
    ),
    "TLS mode": (
        server(airflow_metadata_db_ssl_mode="yes"),
        "airflow_metadata_db_ssl_mode is 'yes': use one of disable, allow, prefer, require, verify-ca, verify-full.",
    ),
    "several PostgreSQL clusters": (
        server(found=info(postgresql_clusters=[cluster("15/main"), cluster("17/main", databases=2)])),
        "h1 has several PostgreSQL clusters (/etc/postgresql/15/main, /etc/postgresql/17/main), and which one is meant is not guessed: "
        "remove the others (pg_dropcluster), or make the role and the database in one of them yourself and name it by "
        "airflow_metadata_db_managed (false), airflow_metadata_db_host, airflow_metadata_db_port and airflow_metadata_db_password.",
    ),
    "an old PostgreSQL cluster": (
        server(found=info(postgresql_clusters=[cluster("13/main")])),
        "Airflow 3.3.2 needs PostgreSQL 14 or newer, and the cluster 13/main of h1 is older: use a newer one there, or another server by "
        "airflow_metadata_db_host.",
    ),
    "authorities that nothing is verified by": (
        server(airflow_metadata_db_ssl_root_cert="/etc/ca.pem", airflow_metadata_db_ssl_mode="require"),
        "airflow_metadata_db_ssl_root_cert of h1 is set, and airflow_metadata_db_ssl_mode require verifies no certificate: set "
        "verify-full, or remove the file's name.",
    ),
}

ADOPTION_CASES = {
    "on MySQL": (
        taking_over("", metadata={"engine": "mysql", "url": "mysql://db/airflow", "path": None}),
        f"The installation in {OLD_HOME} is on MySQL, and this release takes over SQLite and PostgreSQL only.",
    ),
    "on another database": (
        taking_over(metadata={"engine": "other", "url": "mssql://db/airflow", "path": None}),
        f"The installation in {OLD_HOME} is on another database, and this release takes over SQLite and PostgreSQL only.",
    ),
    "staying on SQLite": (
        taking_over(""),
        f"The installation in {OLD_HOME} is on SQLite and would stay on it, which is not supported by this release: put a host into "
        "airflow_metadata_db, or set airflow_metadata_db_host.",
    ),
    "on two hosts": (
        inventory({"h1": ALL, "h2": "triggerer"}, airflow_adopt_home=OLD_HOME),
        "airflow_adopt_home is set for h1, h2: an installation made by hand is taken over on one host; set it on that host only.",
    ),
    "away from the scheduler": (
        inventory(
            {"h1": ALL, "h2": "triggerer"}, details={"h2": Host("h2", {"airflow_adopt_home": OLD_HOME}, facts("198.18.0.9"), info())}
        ),
        "airflow_adopt_home is set for h2, where no scheduler is to run: put that host into airflow_scheduler.",
    ),
    "with problems": (
        single("metadata_db", found=info(adopted={"home": "/nowhere", "problems": ["There is no folder /nowhere."]})),
        "airflow_adopt_home of h1 (/nowhere): There is no folder /nowhere.",
    ),
    "with different environments": (
        taking_over(environment_conflicts=["AIRFLOW__CORE__PARALLELISM"]),
        f"The running daemons of {OLD_HOME} on h1 have different values of AIRFLOW__CORE__PARALLELISM: start them with one value, or "
        "unset it "
        "and set the option in airflow_config.",
    ),
    "with an unreadable environment": (
        taking_over(environment_unreadable=["scheduler", "scheduler"]),
        "The environment of the running scheduler on h1 cannot be read: run as root (become).",
    ),
    "with workers": (
        taking_over(daemons=[{"kind": "celery-worker"}, {"kind": "scheduler"}]),
        f"The installation in {OLD_HOME} runs celery-worker, and an installation with workers is not taken over by this release: let "
        "their tasks end and stop them first.",
    ),
    "beside an installation": (
        single("metadata_db", found=info(adopted=adopted("3.3.2"), installation=installation()), airflow_adopt_home=OLD_HOME),
        f"h1 already runs Airflow 3.3.2 of this collection, and a second installation ({OLD_HOME}) cannot be taken over into it: remove "
        "airflow_adopt_home.",
    ),
    "on a server, with a group": (
        single("metadata_db", found=info(adopted=on_server("postgresql://jane:x@db/airflow")), airflow_adopt_home=OLD_HOME),
        f"The installation in {OLD_HOME} is on a server already (db), which is taken over where it is: remove the hosts of group "
        "airflow_metadata_db.",
    ),
    "on a server, with another host": (
        single(
            found=info(adopted=on_server("postgresql://jane:x@db/airflow")),
            airflow_adopt_home=OLD_HOME,
            airflow_metadata_db_host="elsewhere",
        ),
        f"The installation in {OLD_HOME} is on a server already (db), which is taken over where it is: remove airflow_metadata_db_host.",
    ),
    "on a server without a name": (
        single(found=info(adopted=on_server("postgresql://db")), airflow_adopt_home=OLD_HOME, airflow_metadata_db_password="x"),
        f"[database] sql_alchemy_conn in {OLD_HOME}/airflow.cfg names no user and no database: write them there.",
    ),
    "of root, in place": (
        taking_over(owner={"user": "root", "group": "root"}, wanted={"airflow_adopt_dags": "in_place"}),
        f"airflow_adopt_dags of h1 is in_place, and {OLD_HOME}/dags belongs to root, as whom Airflow does not run: use copy.",
    ),
    "in a third way": (
        server(airflow_adopt_dags="move"),
        "airflow_adopt_dags of h1 is 'move': use copy or in_place.",
    ),
    "inside the new home": (
        taking_over(wanted={"airflow_home": "/home/jane"}),
        f"airflow_home /home/jane and the installation to take over ({OLD_HOME}) are one inside the other, and what is taken over is never "
        "written: choose another airflow_home.",
    ),
}

VALUE_CASES = {
    "drain timeout": (server(airflow_drain_timeout=0), "airflow_drain_timeout is 0: it must be 1 second or more."),
    "lease": (
        server(airflow_lease_seconds=600),
        "airflow_lease_seconds is 600: it must be more than airflow_drain_timeout (600), during which no lease is renewed; raise it.",
    ),
    "web port": (server(airflow_webserver_port=70000), "airflow_webserver_port is 70000: a port is between 1 and 65535."),
    "database port": (server(airflow_metadata_db_port=-1), "airflow_metadata_db_port is -1: a port is between 1 and 65535."),
    "web port of the database": (
        server(airflow_webserver_port=5432),
        "airflow_webserver_port is 5432, which airflow_metadata_db_port has on the same host: choose another one.",
    ),
    "web port of the logs": (
        server(airflow_webserver_port=8793),
        "airflow_webserver_port is 8793, which [logging] worker_log_server_port has on the same host: choose another one.",
    ),
    "web port of the triggerer's logs": (
        server(airflow_webserver_port=8794),
        "airflow_webserver_port is 8794, which [logging] trigger_log_server_port has on the same host: choose another one.",
    ),
    "web port of the scheduler": (
        server(airflow_webserver_port=9000, airflow_config={"scheduler": {"scheduler_health_check_server_port": 9000}}),
        "airflow_webserver_port is 9000, which [scheduler] scheduler_health_check_server_port has on the same host: choose another one.",
    ),
    "Fernet key": (
        server(airflow_fernet_key="secret"),
        "The Fernet key is not 32 bytes in URL-safe base64: check airflow_fernet_key, or the file fernet_key.",
    ),
    "short key": (server(airflow_secret_key="short"), "airflow_secret_key has 5 characters: it must have 16 or more."),
    "short token key": (server(airflow_jwt_secret="x" * 15), "airflow_jwt_secret has 15 characters: it must have 16 or more."),
    "expanded key": (
        server(airflow_secret_key="abc$HOMEabcabcabc"),
        "airflow_secret_key holds a $ or starts with ~, which Airflow would expand: choose another value.",
    ),
    "line break in a password": (
        server(airflow_metadata_db_password="two\nlines"),
        "airflow_metadata_db_password holds a control character or a line break: use printable characters.",
    ),
    "root": (server(airflow_user="root"), "airflow_user is root, as which tasks could do anything to the host: name another user."),
    "user": (server(airflow_user="Air Flow"), "airflow_user is 'Air Flow': a user's name has small letters, digits, _ and - only."),
    "administrator": (
        server(airflow_admin_username="a b"),
        "airflow_admin_username is 'a b': use letters, digits and . _ @ + - only.",
    ),
    "home with a blank": (
        server(airflow_home="/opt/air flow"),
        "airflow_home is '/opt/air flow': use a folder of its own, with letters, digits and . _ - in its path only.",
    ),
    "home of others": (
        server(airflow_home="/opt/"),
        "airflow_home is '/opt/': use a folder of its own, with letters, digits and . _ - in its path only.",
    ),
    "relative folder": (
        server(airflow_config={"core": {"dags_folder": "dags"}}),
        "The folder for dags in airflow_config is 'dags': write an absolute path.",
    ),
    "base URL": (
        server(airflow_base_url="airflow.example.org"),
        "airflow_base_url is 'airflow.example.org': write it in full, as in https://airflow.example.org/airflow.",
    ),
    "installation": (server(airflow_installation="../x"), "airflow_installation is '../x': use letters, digits and . _ - only."),
    "requirement": (
        server(airflow_requirements=["--index-url=http://x"]),
        "airflow_requirements holds '--index-url=http://x': write one requirement per entry, as in apache-airflow-providers-amazon.",
    ),
    "proxy": (
        server(airflow_proxy_environment={"https_proxy": 1}),
        "airflow_proxy_environment of h1: https_proxy must be a text.",
    ),
}

TYPE_CASES = {
    "version as a number": (server(airflow_version=3.3), "airflow_version must be a text, not 3.3 (put it in quotes) (h1)."),
    "port as a word": (server(airflow_webserver_port="http"), "airflow_webserver_port must be a whole number, not 'http' (h1)."),
    "switch": (server(airflow_metadata_db_managed="maybe"), "airflow_metadata_db_managed must be true or false, not 'maybe' (h1)."),
    "path": (server(airflow_home="opt/airflow"), "airflow_home must be an absolute path, not 'opt/airflow' (h1)."),
    "list": (server(airflow_requirements="boto3"), "airflow_requirements must be a list of texts, not 'boto3' (h1)."),
    "list of numbers": (server(airflow_requirements=[1]), "airflow_requirements must be a list of texts, not [1] (h1)."),
    "mapping": (server(airflow_config=["core"]), "airflow_config must be a mapping (h1)."),
    "secret": (server(airflow_fernet_key=17), "airflow_fernet_key must be a text (put it in quotes) (h1)."),
    "on every host": (
        inventory({"h1": ALL, "h2": "triggerer"}, airflow_drain_timeout="long"),
        "airflow_drain_timeout must be a whole number, not 'long' (h1, h2).",
    ),
    "typing error": (
        server(airflow_metdata_db_host="db"),
        "airflow_metdata_db_host is not a variable of this collection: airflow_metadata_db_host is; rename it.",
    ),
    "not the same everywhere": (
        inventory({"h1": ALL, "h2": "triggerer"}, details={"h2": Host("h2", {"airflow_drain_timeout": 5}, facts("198.18.0.9"), info())}),
        "airflow_drain_timeout differs between h1 and h2 (600 and 5): set it once, for the whole group.",
    ),
    "a secret that is not the same everywhere": (
        inventory(
            {"h1": ALL, "h2": "triggerer"}, details={"h2": Host("h2", {"airflow_secret_key": "s" * 20}, facts("198.18.0.9"), info())}
        ),
        "airflow_secret_key differs between h1 and h2: set it once, for the whole group.",
    ),
    "unknown option": (
        server(airflow_config={"core": {"paralelism": 4}}),
        "airflow_config: [core] paralelism is not an option of Airflow 3.3.2; did you mean parallelism?",
    ),
    "an option of a variable": (
        server(airflow_executor="LocalExecutor", airflow_config={"core": {"executor": "SequentialExecutor"}}),
        "airflow_config sets [core] executor and airflow_executor says otherwise: set one of them.",
    ),
    "an option of a variable with a wrong type": (
        server(airflow_config={"database": {"sql_alchemy_conn": "sqlite:////x"}}),
        "airflow_config sets [database] sql_alchemy_conn, which is built from airflow_metadata_db_host, _port, _name, _user and _password: "
        "set those.",
    ),
}

CASES = {
    f"{theme}: {name}": case
    for theme, cases in (
        ("hosts", HOST_CASES),
        ("versions", VERSION_CASES),
        ("database", DATABASE_CASES),
        ("adoption", ADOPTION_CASES),
        ("values", VALUE_CASES),
        ("types", TYPE_CASES),
    )
    for name, case in cases.items()
}


OLD_CONFIG = f"{OLD_HOME}/webserver_config.py"
OVERRIDE = "FabAirflowSecurityManagerOverride from airflow.providers.fab.auth_manager.security_manager.override"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "import os\nfrom airflow.www.security import AirflowSecurityManager\n",
            f"line 2, imports airflow.www.security, which Airflow 3 does not have: import {OVERRIDE} instead.",
        ),
        (
            "from airflow.www.fab_security.manager import AUTH_LDAP\n",
            "line 1, imports airflow.www.fab_security.manager, which Airflow 3 does not have: import AUTH_DB and its like from "
            "flask_appbuilder.const instead.",
        ),
        (
            "\n\nimport airflow.www.app\n",
            "line 3, imports airflow.www.app, which Airflow 3 does not have: import airflow.providers.fab.www.app instead, in a try "
            "statement with the old one while 2.x reads the file.",
        ),
        (
            "from airflow import www\n",
            "line 1, imports airflow.www, which Airflow 3 does not have: import airflow.providers.fab.www instead",
        ),
        (
            "def f():\n    from airflow.www import decorators\n",
            "line 2, imports airflow.www.decorators, which Airflow 3 does not have: remove it, nothing takes its place.",
        ),
        (
            "from airflow.auth.managers.fab.security_manager.override import FabAirflowSecurityManagerOverride\n",
            "line 1, imports airflow.auth.managers.fab.security_manager.override, which Airflow 3 does not have: import "
            "airflow.providers.fab.auth_manager.security_manager.override instead.",
        ),
        (
            "from airflow.auth.managers.models.base_user import BaseUser\n",
            "line 1, imports airflow.auth.managers.models.base_user, which Airflow 3 does not have: import "
            "airflow.api_fastapi.auth.managers.models.base_user instead, in a try statement",
        ),
        (
            "from airflow import auth\n",
            "line 1, imports airflow.auth, which Airflow 3 does not have: remove it, nothing takes its place.",
        ),
        (
            "from airflow.api_connexion.security import requires_access\n",
            "line 1, imports airflow.api_connexion.security, which Airflow 3 does not have: remove it, nothing takes its place.",
        ),
        (
            "from airflow.api.auth.backend import basic_auth\n",
            "line 1, imports airflow.api.auth.backend.basic_auth, which Airflow 3 does not have: import "
            "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth instead.",
        ),
        (
            "from airflow.api import auth\n",
            "line 1, imports airflow.api.auth, which Airflow 3 does not have: remove it, nothing takes its place.",
        ),
        (
            "import airflow.contrib.hooks\n",
            "line 1, imports airflow.contrib.hooks, which Airflow 3 does not have: remove it, nothing takes its place.",
        ),
    ],
)
def test_a_webserver_config_that_airflow_3_cannot_import_is_refused(content: str, said: str) -> None:
    old: dict[str, Any] = {"webserver_config": OLD_CONFIG, "webserver_config_content": content}
    (finding,) = findings(taking_over(wanted={"airflow_version": "3.3.2"}, **old))
    assert finding.startswith(f"{OLD_CONFIG} on h1, {said}")
    assert plan(taking_over(**old))["webserver_config"] == content


@pytest.mark.parametrize(
    "content",
    [
        "from flask_appbuilder.const import AUTH_DB\nfrom airflow.wwwidgets import x\n",
        "try:\n    from airflow.providers.fab.www.app import create_app\nexcept ImportError:\n    from airflow.www.app import create_app\n",
        "import airflow\nif airflow.__version__ < '3':\n    from airflow.www.security import x\nelse:\n    import airflow.www.app\n",
        "from airflow.api.client import get_current_api_client\nfrom airflow.api import common\nimport airflow.authors\n",
        "# from airflow.www.security import x\n",
    ],
    ids=["others", "both ways", "condition", "kept", "comment"],
)
def test_a_webserver_config_that_airflow_3_can_import_passes(content: str) -> None:
    old: dict[str, Any] = {"webserver_config": OLD_CONFIG, "webserver_config_content": content}
    assert plan(taking_over(wanted={"airflow_version": "3.3.2"}, **old))["webserver_config"] == content


@pytest.mark.parametrize("name", CASES)
def test_refusal_is_one_clear_sentence(name: str) -> None:
    inputs, sentence = CASES[name]
    found = findings(inputs)
    assert sentence in found
    assert all(text.endswith((".", "?")) and "\n" not in text for text in found)


def test_an_inventory_without_hosts_is_refused() -> None:
    assert findings(Inputs({}, {}, FILES)) == [
        "The installation has no hosts: put hosts into airflow_webserver and airflow_scheduler, children of airflow."
    ]


def test_hosts_left_at_another_schema_are_refused() -> None:
    older = Host("h2", {}, facts("198.18.0.9"), info(installation=installation("3.2.0")))
    newer = Host("h1", {}, facts(), info(installation=installation("3.3.2")))
    found = findings(inventory({"h1": ALL, "h2": "triggerer"}, details={"h1": newer, "h2": older}))
    assert found == ["The hosts have versions with different schemas (3.3.2 on h1, 3.2.0 on h2): restore the ones that were left behind."]


def test_clocks_that_may_be_right_pass() -> None:
    # A slow host: between the two moments of the controller lies the whole run of the module.
    hosts = apart({"least": -1.0, "most": 0.1}, {"least": 4.5, "most": 20.0})
    assert findings(inventory({"h1": ALL, "h2": "triggerer"}, details=hosts)) == []
    assert findings(server(found=info(clock={"least": -90.0, "most": 30.0}))) == []


def test_all_findings_come_together() -> None:
    found = findings(server(airflow_version="3.3", airflow_user="root", airflow_size="huge", airflow_tls="yes"))
    assert len(found) == 4


def test_a_finding_is_told_once() -> None:
    found = findings(inventory({"h1": "webserver", "h2": "webserver"}))
    assert len(found) == len(set(found))


def test_a_group_for_some_hosts_of_a_component_passes() -> None:
    inputs = inventory({"h1": f"{ALL} broker worker", "h2": "worker"})
    child = {**inputs.groups, "airflow_worker_gpu": ["h2"]}
    assert findings(Inputs(inputs.hosts, child, FILES)) == []
    assert findings(Inputs(inputs.hosts, {**inputs.groups, "airflow_teams": ["h1", "h2"], "airflow_workers": ["elsewhere"]}, FILES)) == []


@pytest.mark.parametrize("name", ["airflow_anything_else", "airflow_dag_owner", "airflow_team"])
def test_own_variables_of_the_user_pass(name: str) -> None:
    assert findings(server(**{name: "x"})) == []


def test_variables_of_other_roles_pass() -> None:
    inputs = server(airflow_scheduler_groups="x")
    assert findings(inputs) != []
    assert findings(Inputs(inputs.hosts, inputs.groups, FILES, frozenset({"airflow_scheduler_groups"}))) == []


def test_numbers_and_switches_may_come_as_text() -> None:
    result = plan(server(airflow_webserver_port="8081", airflow_metadata_db_managed="yes"))
    assert result["webserver"]["port"] == 8081
    assert result["database"]["managed"] is True


def test_the_wrong_value_of_a_secret_is_not_shown() -> None:
    found = findings(server(airflow_metadata_db_password=["hunter2"], airflow_config={"smtp": "hunter2"}))
    assert found
    assert "hunter2" not in " ".join(found)


def test_a_disagreement_names_places_and_no_values() -> None:
    inputs = server(airflow_secret_key="given-given-given-given")
    found = findings(inputs, MemoryStore(secret_key="filed-filed-filed-filed"))
    assert found == [
        "The secret_key in variable airflow_secret_key and the one in /inventory/credentials/airflow/secret_key differ: make them "
        "equal, or "
        "remove the wrong one."
    ]
