# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the topology compiler works on: the inputs, and the draft its stages fill in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CONTROL_DAEMONS = ("webserver", "scheduler", "dag_processor", "triggerer")
"""The daemons that read and write the metadata database."""

DAEMONS = (*CONTROL_DAEMONS, "worker", "flower")
"""Component names that are daemons of Airflow, in the order they start."""

SERVICES = ("metadata_db", "broker", "load_balancer", "monitoring")
COMPONENTS = (*DAEMONS, *SERVICES)
"""Every component that has a group in the inventory."""


TLS_OFF = "false"
TLS_OWN_CA = "own_ca"
TLS_GIVEN = "given"
TLS_MODES = (TLS_OFF, TLS_OWN_CA, TLS_GIVEN)
"""Who signs the certificates: nobody, an authority of the installation's own, or one that the user has asked."""


class TopologyError(ValueError):
    """The inventory describes something that cannot be built; `findings` says what, one sentence each."""

    def __init__(self, findings: Iterable[str]) -> None:
        self.findings = list(dict.fromkeys(findings))
        super().__init__(" ".join(self.findings))


@dataclass(frozen=True)
class Host:
    """One host: its variables, its facts, and what the host information module found on it (None: it was not read)."""

    name: str
    variables: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    info: Mapping[str, Any] | None = None
    failure: str | None = None
    """Why it could not be read, where that is known."""
    is_assumed: bool = False
    """It could not be read, and is taken for what others say it was."""

    @property
    def default_address(self) -> str | None:
        """The address of the interface with the default route."""
        return (self.facts.get("default_ipv4") or {}).get("address")

    @property
    def address(self) -> str | None:
        """The address other hosts reach this one by."""
        return self.variables.get("airflow_advertised_address") or self.default_address

    @property
    def adopted(self) -> Mapping[str, Any] | None:
        """The installation made by hand that is to be taken over now."""
        return (self.info or {}).get("adopted")

    @property
    def installation(self) -> Mapping[str, Any] | None:
        """What this collection installed here before."""
        return (self.info or {}).get("installation")

    @property
    def lifted(self) -> Mapping[str, Any]:
        """What is left of the installation that was lifted from here; empty where none was."""
        return (self.info or {}).get("lifted") or {}


@dataclass(frozen=True)
class GivenCertificate:
    """What is in the files of a certificate that the user gives."""

    names: tuple[str, ...] = ()
    """Names and addresses that it is for, names with a leading `*.` among them."""
    problems: tuple[str, ...] = ()
    """What is wrong with the files: each follows the name of the host."""
    contents: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The files as they are brought to the host, by the variable that names each."""
    ends_soon: str = ""
    """The day on which the certificate ends, where that is soon."""


@dataclass(frozen=True)
class Inputs:
    """Everything the compiler knows about the inventory."""

    hosts: Mapping[str, Host]
    """The hosts of the installation, in the order of the inventory."""
    groups: Mapping[str, Sequence[str]]
    """Every inventory group with its hosts."""
    files_dir: str
    """Folder with the collection's `locks` and `options`."""
    known_names: frozenset[str] = frozenset()
    """Further variables that roles of the collection define."""
    dags: Mapping[str, Any] | None = None
    """What the source of the DAGs holds now, or `findings` why it cannot be said; None: it was not asked."""
    limited: Sequence[str] | None = None
    """The hosts of this run when it is limited to some of them."""
    given_certificates: Mapping[str, GivenCertificate] = field(default_factory=dict)
    """What was found in the files of certificates that the user gives, by host."""
    goes_back: bool = False
    """Whether this is for going back to the installation that was lifted."""
    missing_authority: Sequence[str] = ()
    """The files of the installation's own authority that the controller does not have."""


@dataclass
class Database:
    """The server that holds the metadata."""

    engine: str
    managed: bool
    host: str
    port: int
    name: str
    user: str
    ssl_mode: str
    ssl_root_cert: str = ""
    """The file of authorities as it is written out; `ssl_root_cert` of the plan says what stands in for an empty one."""
    password: str = ""
    version: tuple[int, ...] | None = None
    """PostgreSQL's major version, MySQL's first two numbers; None: not known, or somebody else's server."""
    options: dict[str, str] = field(default_factory=dict)
    """Further options of libpq, of a server that was taken over or of a cluster."""
    server_port: int | None = None
    """The members' own port where the server is a cluster, which daemons reach by the proxy at `host` and `port`."""
    async_url: str = ""
    """The address for asynchronous drivers, where the installation taken over had one of its own."""


@dataclass
class LoadBalancer:
    """What stands in front of the webservers."""

    engine: str
    address: str
    """Where everybody reaches it."""
    port: int
    shared_address: str = ""
    """The address that two of them share, empty for a single one."""
    redirect_port: int | None = None
    """Where it sends people from to the encrypted port; None without TLS."""


@dataclass
class Broker:
    """The server that holds Celery's queues, or the cluster that does."""

    engine: str
    managed: bool
    host: str
    port: int
    vhost: str
    user: str
    password: str = ""
    nodes: dict[str, str] = field(default_factory=dict)
    """The addresses of a cluster's nodes by host, in the order of the inventory; empty for a single server."""
    cookie: str = ""
    """What the nodes of a RabbitMQ cluster know each other by."""
    replication_password: str = ""
    sentinel_password: str = ""
    """What Redis's replicas, and its sentinels, log in with."""
    tls: bool = False
    """Whether it is reached by TLS."""

    @property
    def is_cluster(self) -> bool:
        """Whether several nodes hold the queues."""
        return bool(self.nodes)

    @property
    def has_quorum_queues(self) -> bool:
        """Whether it is a cluster of RabbitMQ."""
        return self.is_cluster and self.engine == "rabbitmq"

    @property
    def has_sentinels(self) -> bool:
        """Whether it is a Redis with replicas, which sentinels look after."""
        return self.is_cluster and self.engine == "redis"


@dataclass
class Results:
    """The database of Celery's results, on the metadata's server under a role of its own."""

    name: str
    user: str
    password: str = ""


@dataclass(frozen=True)
class Worker:
    """A Celery worker of a host."""

    instance: str
    """Empty for the host's first one, which is `airflow-worker`; a further one is `airflow-worker@INSTANCE`."""
    queues: tuple[str, ...]
    concurrency: int
    autoscale: str
    serves_logs: bool

    @property
    def name(self) -> str:
        """Its name among the host's daemons."""
        return f"worker@{self.instance}" if self.instance else "worker"


@dataclass
class Draft:
    """The topology as far as it is derived. A stage never fails: what it cannot derive stays at a harmless value, and a rule reports it."""

    inputs: Inputs
    group_names: dict[str, str] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    placement: dict[str, list[str]] = field(default_factory=dict)
    adopted_on: str | None = None
    adopted: Mapping[str, Any] | None = None
    installation: Mapping[str, Any] | None = None
    version: str = ""
    line: int = 3
    config: dict[str, dict[str, str]] = field(default_factory=dict)
    adopted_settings: dict[str, dict[str, str]] = field(default_factory=dict)
    engine: str = "sqlite"
    executor: str = ""
    database: Database | None = None
    broker: Broker | None = None
    load_balancer: LoadBalancer | None = None
    results: Results | None = None
    workers: dict[str, list[Worker]] = field(default_factory=dict)
    sqlite_path: str | None = None
    port: int = 8080
    base_url: str = ""
    base_url_is_given: bool = False
    slots: int = 0
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    secret_settings: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    api_hurdle: str = ""
    """Why the collection's own account could not log in; empty when it can."""
    findings: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> Mapping[str, Host]:
        """The hosts of the installation."""
        return self.inputs.hosts

    @property
    def home(self) -> str:
        """AIRFLOW_HOME."""
        return str(self.values["airflow_home"])

    @property
    def tls(self) -> str:
        """Who signs the certificates, `own_ca` or `given`; empty without TLS."""
        mode = str(self.values.get("airflow_tls") or TLS_OFF)
        return "" if mode == TLS_OFF else mode

    @property
    def uses_loopback(self) -> bool:
        """Whether what is on one host talks by its loopback address. A certificate that somebody gave is for the host's own name."""
        return self.tls != TLS_GIVEN

    @property
    def taking_over(self) -> bool:
        """Whether this run takes an installation over that was made by hand."""
        return self.adopted_on is not None and self.hosts[self.adopted_on].adopted is not None

    @property
    def airflow_hosts(self) -> list[str]:
        """Hosts that run a daemon of Airflow, in the order of the inventory."""
        placed = {name for names in self.placement.values() for name in names}
        return [name for name in self.hosts if name in placed]

    @property
    def uses_celery(self) -> bool:
        """Whether tasks run on Celery's workers."""
        return self.executor == "CeleryExecutor"

    @property
    def celery_hosts(self) -> list[str]:
        """Hosts with a daemon that reaches the broker, in the order of the inventory."""
        placed = {name for daemon in ("scheduler", "worker", "flower") for name in self.placement.get(daemon, [])}
        return [name for name in self.hosts if name in placed]

    @property
    def used_hosts(self) -> list[str]:
        """Hosts that run a daemon, the metadata database, the broker or a load balancer."""
        servers = {*self.groups["metadata_db"], *self.groups["broker"], *self.groups["load_balancer"]}
        return [name for name in self.hosts if name in self.airflow_hosts or name in servers]

    @property
    def main_host(self) -> str | None:
        """The host whose word counts for the whole installation: the first scheduler."""
        return next(iter(self.placement.get("scheduler", [])), None) or next(iter(self.hosts), None)

    def variable(self, host: str, name: str) -> Any:
        """A variable of one host."""
        return self.hosts[host].variables.get(name)

    def group(self, component: str) -> str:
        """The inventory's name for a component's group."""
        return self.group_names[component]


def listed(names: Iterable[str]) -> str:
    """Names in one line."""
    return ", ".join(names)


def counted(number: int, thing: str) -> str:
    """A number with its noun, as in `2 hosts`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
