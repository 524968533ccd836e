"""Real nginx and PostgreSQL with the configuration of deploy/."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import yaml

from generator_service.domain.retry import RetryPolicy
from generator_service.store.limits import Limits
from generator_service.store.postgres import open_postgres
from tests.support.clock import SettableClock
from tests.support.nginx import nginx_configuration, nginx_program
from tests.support.patience import PATIENCE
from tests.support.postgres import postgres_server
from tests.support.processes import Program, free_port
from tools.certificates import make_certificates

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_real_nginx_takes_the_configuration_of_compose(tmp_path: Path) -> None:
    environment = {key: str(value) for key, value in COMPOSE["services"]["nginx"]["environment"].items()}
    make_certificates(tmp_path / "tls", ["nginx"])
    config = nginx_configuration(environment | {"NGINX_DIR": str(tmp_path), "TLS_DIR": str(tmp_path / "tls")})
    assert "${" not in config
    (tmp_path / "nginx.conf").write_text(config)
    argv = [nginx_program(), "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert said.returncode == 0, said.stderr


def test_real_nginx_blocks_what_is_for_operators(tmp_path: Path) -> None:
    port, settings = free_port(), {"NGINX_DIR": str(tmp_path), "TLS_DIR": str(tmp_path / "tls")}
    make_certificates(tmp_path / "tls", ["nginx"])
    nobody = f"server 127.0.0.1:{free_port()};"
    settings |= {"HTTP_PORT": f"127.0.0.1:{port}", "GRPC_PORT": f"127.0.0.1:{free_port()}"}
    settings |= {"GATEWAYS": nobody, "SERVICES": nobody}
    (tmp_path / "nginx.conf").write_text(nginx_configuration(settings))
    options = ["-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"]
    nginx = Program([nginx_program(), *options, "-g", "daemon off;"], {})
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport(retries=8)) as http:
            for path in ("/metrics", "/metrics/", "//metrics", "/%6detrics", "/docs", "/docs/oauth2-redirect"):
                assert http.get(f"http://127.0.0.1:{port}{path}").status_code == 404, path
            for path in ("/openapi.json", "/metrics?x", "/a/../docs"):
                assert http.get(path).status_code == 404, path
            for path in ("/", "/docsy", "/api/metrics"):
                assert http.get(path).status_code == 502, "passed on, to a gateway that does not run here"
    finally:
        nginx.close()


def test_the_database_s_role_is_no_superuser() -> None:
    """The script mounted by compose creates the role on a real server; the role can create and use the tables."""
    (script,) = [volume.split(":")[0] for volume in COMPOSE["services"]["postgres"]["volumes"] if "initdb.d" in volume]
    with postgres_server() as server:
        name = server.create()
        environment = os.environ | {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port),
            "POSTGRES_USER": "postgres",
            "POSTGRES_DB": name,
            "WHITEBG_PASSWORD": "it's a \\secret",
        }
        done = subprocess.run(
            ["sh", str(DEPLOY / script)], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        password = quote(environment["WHITEBG_PASSWORD"], safe="")
        url = f"postgresql://whitebg:{password}@127.0.0.1:{server.port}/{name}"
        store = open_postgres(
            url, clock=SettableClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _events: None
        )
        asyncio.run(store.close())
        with psycopg.connect(url) as connection:
            row = connection.execute(
                "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles"
                " WHERE rolname = current_user"
            ).fetchone()
            assert row == (False,) * 5
            assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (0,)
