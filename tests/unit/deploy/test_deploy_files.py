"""Everything that the files in deploy/ refer to exists: settings, commands, ports, paths, metrics and hosts."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml

from generator_service.command_line import PROCESSES
from generator_service.ops.metrics_server import StateCollector
from generator_service.settings import Settings as ServiceSettings
from tests.support.nginx import nginx_configuration
from tests.support.patience import PATIENCE
from tools.certificates import make_certificates
from ws_gateway.app import create_app
from ws_gateway.http.uploads import FORM_OVERHEAD, MAX_MASK_BYTES
from ws_gateway.server import make_server
from ws_gateway.settings import Settings as GatewaySettings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = [
    manifest
    for name in KUSTOMIZATION["resources"]
    for manifest in yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text())
]
SECRET = "0" * 64
SERVICE, GATEWAY = set(ServiceSettings.model_fields), set(GatewaySettings.model_fields)
IMAGE_ENV = dict(re.findall(r"\b(WHITEBG_\w+)=(\S+)", DOCKERFILE))
COMMANDS = {"generator_service serve": SERVICE, "generator_service worker": SERVICE, "ws_gateway": GATEWAY}
"""The commands that an image can run, and the settings that each reads."""
SECRETS = {
    "WHITEBG_JWT_SECRET": SECRET,
    "WHITEBG_DATABASE_URL": "postgresql://whitebg:secret@postgres:5432/whitebg",
    "WHITEBG_REDIS_URL": "redis://redis:6379",
    "WHITEBG_S3_ACCESS_KEY_ID": "whitebg",
    "WHITEBG_S3_SECRET_ACCESS_KEY": SECRET,
}
INSTEAD_OF_A_ROLE = {"WHITEBG_S3_ACCESS_KEY_ID", "WHITEBG_S3_SECRET_ACCESS_KEY"}


def kind(name: str) -> dict[str, dict[str, Any]]:
    return {manifest["metadata"]["name"]: manifest for manifest in MANIFESTS if manifest["kind"] == name}


def ours() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield each of our processes: where it is declared, its command and its non-secret settings."""
    for name, service in COMPOSE["services"].items():
        if service["image"].startswith("whitebg:") and name != "certificates":
            yield (
                f"compose/{name}",
                " ".join(service.get("command", ["generator_service", "serve"])),
                {key: str(value) for key, value in service["environment"].items()},
            )
    for name, deployment in kind("Deployment").items():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        environment: dict[str, str] = {}
        for source in container["envFrom"]:
            environment |= kind("ConfigMap")[source["configMapRef"]["name"]]["data"]
        for variable in container["env"]:
            if "valueFrom" in variable:
                reference = variable["valueFrom"]["secretKeyRef"]
                optional = {"optional": True} if variable["name"] in INSTEAD_OF_A_ROLE else {}
                assert reference == {"name": "whitebg-secrets", "key": variable["name"]} | optional
                assert variable["name"] in SECRETS
            environment[variable["name"]] = variable.get("value", "")
        yield f"kubernetes/{name}", " ".join(container["args"]), environment


OURS = [pytest.param(command, environment, id=place) for place, command, environment in ours()]


def test_all_processes_are_looked_at() -> None:
    assert {str(each.id) for each in OURS} == {
        *("compose/service-1", "compose/service-2", "compose/worker", "compose/gateway-1", "compose/gateway-2"),
        *("kubernetes/whitebg-service", "kubernetes/whitebg-worker", "kubernetes/whitebg-gateway"),
    }


@pytest.mark.parametrize(("command", "environment"), OURS)
def test_every_command_and_setting_is_real(command: str, environment: dict[str, str]) -> None:
    known = COMMANDS[command]
    for variable in environment:
        assert variable.startswith("WHITEBG_")
        assert variable.removeprefix("WHITEBG_").lower() in known, f"{command} knows no {variable}"


def test_commands_are_those_of_the_program() -> None:
    assert {f"generator_service {name}" for name in PROCESSES} | {"ws_gateway"} == set(COMMANDS)
    assert (ROOT / "ws_gateway" / "__main__.py").exists()


@pytest.mark.parametrize(("command", "environment"), OURS)
def test_the_settings_can_be_used(command: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The effective settings are valid: those of the image, overridden by the process's own, with secrets filled in."""
    filled = {
        name: SECRETS.get(name, value) if not value or "${" in value else value for name, value in environment.items()
    }
    for name, value in (IMAGE_ENV | filled).items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value))
    if command == "ws_gateway":
        gateway = GatewaySettings()  # type: ignore[call-arg]  # the environment supplies the fields
        assert (gateway.http_host, gateway.http_port) == ("0.0.0.0", 8000)
        assert gateway.tls is not None
        assert gateway.tls.cert is not None
        assert gateway.redis_url is not None
        assert gateway.oidc is None, "unless an issuer is set"
        assert not gateway.guest_login
        return
    service = ServiceSettings()
    assert (service.metrics_host, service.metrics_port) == ("0.0.0.0", 9100)
    assert service.database_url is not None
    assert service.redis_url is not None
    assert service.bucket is not None
    assert service.bucket.keys is not None
    assert not service.needs_data_dir, "no volume is mounted"
    if command.endswith("serve"):
        assert (service.grpc_host, service.grpc_port) == ("0.0.0.0", 50051)
        assert service.tls is not None
        assert service.tls.client_ca is not None
    assert bool(service.worker_slots) == command.endswith("worker")
    assert ("WHITEBG_JWT_SECRET" in environment) == command.endswith("serve"), "workers check no tokens"


def test_compose_passes_on_the_documented_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```sh\n( *WHITEBG_PUBLIC_URL=.*?)```", (ROOT / "docs" / "deploy.md").read_text(), re.DOTALL)
    documented = dict(re.findall(r'^ *(WHITEBG_\w+)="?(.+?)"?(?:  +#.*)?$', block, re.MULTILINE))
    environment = COMPOSE["services"]["gateway-1"]["environment"]
    for name, value in documented.items():
        assert environment[name].startswith(f"${{{name}:-")
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WHITEBG_JWT_SECRET", SECRET)
    oidc = GatewaySettings().oidc  # type: ignore[call-arg]  # the environment supplies the fields
    assert oidc is not None
    assert oidc.issuer == documented["WHITEBG_OIDC_ISSUER"]
    assert oidc.scopes == ("openid", "profile", "email", "groups")


@pytest.mark.parametrize("folder", ["/data", "/tls", "/ca"])
def test_folders_that_are_mounted_belong_to_the_user(folder: str) -> None:
    assert re.search(rf"install -d -o whitebg -g whitebg .*{folder}\b", DOCKERFILE)


def test_the_image_runs_as_nobody_in_particular_from_a_pinned_base() -> None:
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
    assert COMPOSE["x-whitebg"]["build"]["args"] == {"PYTHON_IMAGE": f"${{PYTHON_IMAGE:-{base}}}"}
    assert "USER 10001:10001" in DOCKERFILE
    assert "--require-hashes --requirement requirements.txt" in DOCKERFILE
    assert "# syntax=" not in DOCKERFILE, "it names an image that builds this one"
    images = {service["image"] for service in COMPOSE["services"].values()} - {COMPOSE["x-whitebg"]["image"]}
    example = (DEPLOY / "example.env").read_text()
    for image in images:
        replaceable = re.fullmatch(r"\$\{([A-Z0-9]+_IMAGE):-([\w/]+:v?\d+\.\d+[\w.-]*)@sha256:[0-9a-f]{64}\}", image)
        assert replaceable, image
        assert f"# {replaceable[1]}={replaceable[2]}@sha256:" in example, "how to replace it is shown"


def test_what_is_copied_is_there_and_not_ignored() -> None:
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().split() if line.startswith("!")}
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for source in line.split()
    }
    assert copied == kept
    assert all((ROOT / path).exists() for path in copied)


def test_no_command_takes_modules_from_the_current_folder() -> None:
    """Every Python is started with -P, in deploy/ and in documents."""
    texts = [DOCKERFILE, (DEPLOY / "compose.yaml").read_text()]
    texts += [path.read_text() for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))]
    started = [
        words
        for text in texts
        for words in re.findall(r"python[\"',\s]+(-\S+[\"',\s]+\S+[\"',\s]+\S+)", text)
        if not any(each in words for each in ("venv", "tests.", "tools."))
    ]
    assert len(started) > 10
    assert [words for words in started if not words.startswith("-P")] == []


SHARED_REASONS = {
    "whitebg-gateway": {"service_not_ready"},
    "whitebg-service": {"queue_stalled", "database_unavailable", "images_unavailable", "images_refused", "disk_full"},
}
"""Reasons that apply to all pods."""


def test_probed_paths_and_ports_are_served() -> None:
    settings = GatewaySettings(jwt_secret=SECRET)  # type: ignore[arg-type]
    gateway = set(create_app(settings).openapi()["paths"])
    service = (ROOT / "generator_service" / "ops" / "metrics_server.py").read_text()
    for name, deployment in kind("Deployment").items():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = container[probe]["httpGet"]
            path, _, query = asked["path"].partition("?")
            if name == "whitebg-gateway":
                assert (path in gateway, ports[asked["port"]]) == (True, 8000)
            else:
                assert (f'"{path}"' in service, ports[asked["port"]]) == (True, 9100)
            if name != "whitebg-worker" and probe == "readinessProbe":
                assert {value for _, value in parse_qsl(query)} == SHARED_REASONS[name], "all pods would go at once"
            else:
                assert not query
    (paths,) = {
        tuple(re.findall(r"127\.0\.0\.1:(\d+/\w+)", " ".join(COMPOSE["services"][name]["healthcheck"]["test"])))
        for name in ("gateway-1", "gateway-2")
    }
    assert paths == ("8000/healthz",)
    assert re.findall(r"127\.0\.0\.1:(\d+/\w+)", DOCKERFILE) == ["9100/readyz"]


def test_certificates_hold_the_names_that_are_called(tmp_path: Path) -> None:
    """In compose, gateways call nginx and nginx calls services, both under the name in its configuration."""
    _, _, script, _, authority, folder, *names = COMPOSE["services"]["certificates"]["entrypoint"]
    assert f"COPY tools/certificates.py {script}" in DOCKERFILE
    assert folder == "/tls"
    make_certificates(tmp_path / "tls", names, authority=tmp_path / "ca")
    made = {f"/tls/{path.name}" for path in (tmp_path / "tls").iterdir()}
    assert made == {f"/tls/{name}" for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")}
    holders = {
        name
        for name, service in COMPOSE["services"].items()
        for volume in service.get("volumes", ())
        if volume.endswith(f":{authority}")
    }
    assert holders == {"certificates"}, "the CA's key is in no other container"
    named = set(re.findall(r"/tls/[\w.]+", json.dumps(COMPOSE)))
    assert named <= made
    assert COMPOSE["services"]["gateway-1"]["environment"]["WHITEBG_GRPC_TARGET"].split(":")[0] in names
    (asked,) = re.findall(r"grpc_ssl_name (\S+);", nginx_configuration({}))
    assert asked in names
    assert kind("ConfigMap")["whitebg-gateway"]["data"]["WHITEBG_GRPC_SERVER_NAME"] in names


def test_each_pod_sees_only_its_own_keys(tmp_path: Path) -> None:
    make_certificates(tmp_path, ["whitebg-service"])
    for name, mine in (("whitebg-service", "server"), ("whitebg-gateway", "client")):
        pod = kind("Deployment")[name]["spec"]["template"]["spec"]
        (secret,) = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
        shown = {item["key"] for item in secret["items"]}
        assert shown == {"ca.pem", f"{mine}.pem", f"{mine}.key"}
        assert all((tmp_path / key).exists() for key in shown)
    assert "secret" not in json.dumps(kind("Deployment")["whitebg-worker"]["spec"]["template"]["spec"]["volumes"])


def test_nginx_knows_its_neighbours_and_they_know_it() -> None:
    services = COMPOSE["services"]
    addresses = {
        name: service["networks"]["inner"]["ipv4_address"]
        for name, service in services.items()
        if isinstance(service.get("networks"), dict)
    }
    environment = services["nginx"]["environment"]
    for group, port, prefix in (("GATEWAYS", 8000, "gateway-"), ("SERVICES", 50051, "service-")):
        told = re.findall(r"server (\S+) ", environment[group])
        assert told == [f"{address}:{port}" for name, address in addresses.items() if name.startswith(prefix)]
    (network,) = COMPOSE["networks"]["inner"]["ipam"]["config"]
    proxies = f"{addresses['nginx']}/32,{network['gateway']}/32"
    assert services["gateway-1"]["environment"]["WHITEBG_TRUSTED_PROXIES"] == proxies
    assert services["worker"]["deploy"]["replicas"] == 3


def test_nginx_gives_up_idle_connections_before_the_gateway_does() -> None:
    upstream = re.search(r"upstream gateways \{.*?\}", nginx_configuration({"GATEWAYS": ""}), re.DOTALL)
    assert upstream
    (idle,) = re.findall(r"keepalive_timeout (\d+)s;", upstream[0])
    gateway = make_server(GatewaySettings(jwt_secret=SECRET))  # type: ignore[arg-type]
    assert int(idle) < gateway.config.timeout_keep_alive


def test_monitoring_is_started_on_request_and_finds_every_process() -> None:
    services = COMPOSE["services"]
    assert {name for name, each in services.items() if each.get("profiles") == ["monitoring"]} == {
        "prometheus",
        "grafana",
    }
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    ((discovery,),) = [job["dns_sd_configs"] for job in config["scrape_configs"]]
    ours_by_name = {name for name, each in services.items() if each["image"].startswith("whitebg:")} - {"certificates"}
    assert (set(discovery["names"]), discovery["port"]) == (ours_by_name, 9100)
    mounted = {
        target: DEPLOY / source
        for name in ("prometheus", "grafana")
        for source, _, target in (volume.removesuffix(":ro").partition(":") for volume in services[name]["volumes"])
        if source.startswith("./")
    }
    assert all(path.exists() for path in mounted.values())
    assert mounted["/etc/prometheus/prometheus.yaml"].name == "prometheus.yaml"
    provisioning = mounted["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "whitebg.yaml").read_text())["providers"]
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home == Path(provider["options"]["path"]) / "whitebg.json"
    assert mounted[str(home)].name == "whitebg.json"


def test_the_example_of_an_ingress_leads_to_the_gateways() -> None:
    folder = DEPLOY / "kubernetes-ingress"
    overlay = yaml.safe_load((folder / "kustomization.yaml").read_text())
    base, ingress_file = overlay["resources"]
    # Kustomize rejects a base that contains its overlay as a cycle.
    assert (folder / base).resolve() == DEPLOY / "kubernetes"
    assert not folder.is_relative_to((folder / base).resolve())
    (patch,) = overlay["patches"]
    assert patch["target"]["name"] in kind("ConfigMap")
    (changed,) = yaml.safe_load(patch["patch"])
    assert changed["path"].removeprefix("/data/WHITEBG_").lower() in GATEWAY
    ingress = yaml.safe_load((folder / ingress_file).read_text())
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    service = kind("Service")[path["backend"]["service"]["name"]]
    assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
    assert changed["value"] == f"https://{rule['host']}"
    largest = int(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"].removesuffix("m"))
    settings = GatewaySettings(jwt_secret=SECRET)  # type: ignore[arg-type]
    assert largest * MIB >= settings.max_upload_bytes + MAX_MASK_BYTES + FORM_OVERHEAD


def test_the_documented_commands_make_every_secret(tmp_path: Path) -> None:
    """Those of docs/deploy.md fill in all that compose and its profile for monitoring need, each with its own value."""
    (loop,) = re.findall(
        r"^ *while IFS.*?deploy/\.env$", (ROOT / "docs" / "deploy.md").read_text(), re.DOTALL | re.MULTILINE
    )
    (tmp_path / "deploy").mkdir()
    shutil.copy(DEPLOY / "example.env", tmp_path / "deploy")
    subprocess.run(["sh", "-euc", loop], cwd=tmp_path, check=True, timeout=PATIENCE)
    made = dict(re.findall(r"^(\w+)=(.*)$", (tmp_path / "deploy" / ".env").read_text(), re.MULTILINE))
    needed = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose.yaml").read_text())) | {"GRAFANA_PASSWORD"}
    assert made.keys() == needed
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in made.values())
    assert len(set(made.values())) == len(needed)


def test_redis_asks_for_a_password() -> None:
    service = COMPOSE["services"]["redis"]
    assert service["command"][:2] == ["redis-server", "--requirepass"]
    password = service["environment"]["REDISCLI_AUTH"]
    assert service["command"][2] == password
    for name in ("service-1", "worker", "gateway-1"):
        assert COMPOSE["services"][name]["environment"]["WHITEBG_REDIS_URL"] == f"redis://:{password}@redis:6379"


def test_a_ca_key_of_before_is_moved_out_of_the_containers_reach(tmp_path: Path) -> None:
    make_certificates(tmp_path / "tls", ["nginx"])
    ca = (tmp_path / "tls" / "ca.pem").read_bytes()
    for _ in range(2):
        make_certificates(tmp_path / "tls", ["nginx"], authority=tmp_path / "ca")
        assert not (tmp_path / "tls" / "ca.key").exists()
        assert (tmp_path / "tls" / "ca.pem").read_bytes() == (tmp_path / "ca" / "ca.pem").read_bytes() == ca


def test_selectors_meet_the_pods_they_mean() -> None:
    pods = {name: each["spec"]["template"]["metadata"]["labels"] for name, each in kind("Deployment").items()}
    assert all(each["spec"]["selector"]["matchLabels"] == pods[name] for name, each in kind("Deployment").items())
    assert kind("PodDisruptionBudget").keys() == pods.keys()
    for name, budget in kind("PodDisruptionBudget").items():
        assert budget["spec"]["selector"]["matchLabels"] == pods[name]
    for name, service in kind("Service").items():
        assert service["spec"]["selector"] == pods[name]
        (container,) = kind("Deployment")[name]["spec"]["template"]["spec"]["containers"]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= {
            port["name"] for port in container["ports"]
        }
    for name, policy in kind("NetworkPolicy").items():
        assert policy["spec"]["podSelector"].get("matchLabels", {}) == pods.get(name, {})
    assert kind("NetworkPolicy").keys() == pods.keys() | {"nobody"}
    host, _, port = (
        kind("ConfigMap")["whitebg-gateway"]["data"]["WHITEBG_GRPC_TARGET"].removeprefix("dns:///").partition(":")
    )
    assert int(port) == kind("Service")[host]["spec"]["ports"][0]["port"]


@pytest.mark.parametrize("name", sorted(kind("Deployment")))
def test_pods_may_do_nothing_that_they_need_not(name: str) -> None:
    pod = kind("Deployment")[name]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]


def test_a_drain_fits_into_the_time_that_a_pod_is_given() -> None:
    """Before the drain, the wait for clients to be notified; after it, two seconds of calls and the time to end."""
    config = kind("ConfigMap")
    service = ServiceSettings(jwt_secret=SECRET, drain=config["whitebg"]["data"]["WHITEBG_DRAIN"])  # type: ignore[arg-type]
    gateway = GatewaySettings(
        jwt_secret=SECRET,  # type: ignore[arg-type]
        drain_timeout=config["whitebg-gateway"]["data"]["WHITEBG_DRAIN_TIMEOUT"],
    )
    for name, deployment in kind("Deployment").items():
        drain = gateway.drain_timeout if name == "whitebg-gateway" else service.drain
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= drain.total_seconds() + 10


MIB = 1024 * 1024
GATEWAY_IDLE = 92 * MIB
COPIES = 3.4
"""Memory of a photo on its way to the service, measured: the message, its encoding and gRPC's buffer for retries."""


def size(text: str) -> int:
    """Return the bytes of a size as compose (``1g``) or Kubernetes (``256Mi``) writes it."""
    number, unit = re.fullmatch(r"(\d+)(g|Mi|Gi)", text).groups()  # type: ignore[union-attr]
    return int(number) * (MIB if unit == "Mi" else 1024 * MIB)


def uploads(environment: dict[str, str]) -> tuple[float, int]:
    """Return the most memory and the most temporary files of a gateway's uploads, in bytes."""
    limits = {
        name: int(environment[f"WHITEBG_{name.upper()}"])
        for name in ("max_concurrent_uploads", "max_receiving_uploads")
        if f"WHITEBG_{name.upper()}" in environment
    }
    gateway = GatewaySettings(jwt_secret=SECRET, **limits)  # type: ignore[arg-type]
    files = gateway.max_upload_bytes + MAX_MASK_BYTES
    memory = COPIES * files * gateway.max_concurrent_uploads
    return GATEWAY_IDLE + memory, (files + FORM_OVERHEAD) * gateway.max_receiving_uploads


def test_uploads_fit_into_the_memory_and_the_temporary_files_of_a_gateway() -> None:
    environments = {place: environment for place, _, environment in ours()}
    for name in ("gateway-1", "gateway-2"):
        memory, files = uploads(environments[f"compose/{name}"])
        assert "/tmp" in COMPOSE["services"][name]["tmpfs"], "which is memory"
        assert memory + files <= size(COMPOSE["services"][name]["mem_limit"])
    memory, files = uploads(environments["kubernetes/whitebg-gateway"])
    pod = kind("Deployment")["whitebg-gateway"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (folder,) = (volume["emptyDir"] for volume in pod["volumes"] if volume["name"] == "tmp")
    assert memory <= size(container["resources"]["limits"]["memory"])
    assert files <= size(folder["sizeLimit"])


def test_the_autoscaler_asks_for_a_metric_that_is_told() -> None:
    (metric,) = kind("HorizontalPodAutoscaler")["whitebg-worker"]["spec"]["metrics"]
    name = metric["external"]["metric"]["name"]
    (rule,) = yaml.safe_load((DEPLOY / "prometheus" / "adapter.yaml").read_text())["rules"]["external"]
    assert rule["name"]["as"] == name == rule["seriesQuery"]
    assert rule["metricsQuery"] == f"max({name})"
    assert f'"{name}"' in inspect.getsource(StateCollector)
    assert all(
        each["spec"]["scaleTargetRef"]["name"] in kind("Deployment")
        for each in kind("HorizontalPodAutoscaler").values()
    )
    scaled = kind("HorizontalPodAutoscaler")
    assert all("replicas" not in kind("Deployment")[name]["spec"] for name in scaled), (
        "the autoscaler would be overruled"
    )


def test_kustomize_names_every_manifest() -> None:
    there = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")} - {"kustomization.yaml"}
    assert set(KUSTOMIZATION["resources"]) == there
    assert KUSTOMIZATION["images"] == [{"name": "whitebg", "newTag": COMPOSE["x-whitebg"]["image"].partition(":")[2]}]
