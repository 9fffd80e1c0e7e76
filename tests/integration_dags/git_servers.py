# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of git on loopback: OpenSSH's own, and git's HTTP program behind TLS and a password."""

from __future__ import annotations

import base64
import getpass
import os
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from object_store import free_port

SSHD = "/usr/sbin/sshd"
USERNAME, TOKEN = "git", "t0ken/+%$ with signs"
AUTHOR = {
    "GIT_AUTHOR_NAME": "Jane",
    "GIT_AUTHOR_EMAIL": "jane@example.org",
    "GIT_COMMITTER_NAME": "Jane",
    "GIT_COMMITTER_EMAIL": "jane@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """A repository that commits are made in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """Run git in it."""
        environment = {**os.environ, **AUTHOR}
        done = subprocess.run(["git", *arguments], cwd=self.path, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, files: dict[str, str], tag: str | None = None) -> str:
        """Write files and commit them."""
        for name, content in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=x")
        if tag:
            self.git("tag", tag)
        return self.git("rev-parse", "HEAD")


def make_key(path: Path) -> str:
    """A key pair; returns the public line."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text().strip()


class SshServer:
    """An OpenSSH server whose only key may read one folder of repositories."""

    def __init__(self, folder: Path, repositories: Path) -> None:
        self.folder = folder
        self.repositories = repositories
        self.port = free_port()
        self.key = folder / "deploy_key"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def known_hosts(self) -> str:
        """The server's line."""
        kind, key = (self.folder / "host_key.pub").read_text().split()[:2]
        return f"[127.0.0.1]:{self.port} {kind} {key}"

    def address(self, name: str) -> str:
        """A repository's address."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{self.repositories / name}"

    def start(self) -> None:
        """Make the keys, start the server, wait until it listens."""
        make_key(self.folder / "host_key")
        (self.folder / "authorized_keys").write_text(f"restrict {make_key(self.key)}\n")
        settings = {
            "ListenAddress": "127.0.0.1",
            "Port": self.port,
            "HostKey": self.folder / "host_key",
            "AuthorizedKeysFile": self.folder / "authorized_keys",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "PermitUserEnvironment": "no",
        }
        path = self.folder / "sshd_config"
        path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        with open(self.folder / "sshd.log", "wb") as log:
            self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(path)], stdout=log, stderr=log)
        self._wait()

    def stop(self) -> None:
        """End it."""
        if self.process:
            self.process.terminate()
            self.process.wait(30)

    def _wait(self) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"sshd does not start: {(self.folder / 'sshd.log').read_text()}")


class HttpsServer:
    """git's own HTTP program behind TLS, for one name and password."""

    def __init__(self, folder: Path, repositories: Path) -> None:
        self.folder = folder
        self.repositories = repositories
        self.certificate = folder / "certificate.pem"
        self.server: ThreadingHTTPServer | None = None

    def address(self, name: str) -> str:
        """A repository's address."""
        assert self.server is not None
        return f"https://127.0.0.1:{self.server.server_address[1]}/{name}"

    def start(self) -> None:
        """Make the certificate and listen."""
        key = self.folder / "key.pem"
        words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
        command = ["openssl", *words.split(), "-keyout", str(key), "-out", str(self.certificate)]
        subprocess.run(command, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self.repositories))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()


def handler(repositories: Path) -> type[BaseHTTPRequestHandler]:
    """What answers requests for a folder of repositories."""
    expected = "Basic " + base64.b64encode(f"{USERNAME}:{TOKEN}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        """Hands a request to `git http-backend`."""

        def log_message(self, *_arguments: object) -> None:
            """Nothing is told."""

        def do_GET(self) -> None:
            """Ask git, or for the password."""
            if self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            environment = {
                **os.environ,
                **AUTHOR,
                "GIT_PROJECT_ROOT": str(repositories),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                # Who made the folder is not asked.
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
            }
            done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

    return Handler
