"""A temporary S3 server: SeaweedFS, which verifies signatures as cloud stores do."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from ssl import create_default_context
from typing import Any

import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session

from generator_service.blobs.bucket import Bucket, Keys
from tests.support.processes import Program, free_port

REGION = "us-east-1"
BUCKET = "images"
DOMAIN = "s3.example.com"
"""The server's own host name, for addresses with the bucket in the host name."""
PARTS = ("master", "volume", "filer", "s3")


class S3Server:
    """A server with one bucket that can be killed and restarted with the same data and ports."""

    def __init__(self, *, certificates: Path | None = None) -> None:
        """With ``certificates``, a folder made by `tools.certificates`, it uses TLS."""
        program = Path(sys.executable).with_name("weed")
        assert program.exists(), "SeaweedFS is not installed; run: sh tools/setup.sh dev"
        self._program = str(program)
        self._folder = Path(tempfile.mkdtemp(prefix="whitebg-s3-"))
        self._ports = {part: (free_port(), free_port()) for part in PARTS}
        self._certificates = certificates
        self.endpoint = f"http{'s' if certificates else ''}://127.0.0.1:{self._ports['s3'][0]}"
        self.admin = Keys(access_key_id="admin", secret_access_key=secrets.token_hex(20))
        self.keys = Keys(access_key_id="whitebg", secret_access_key=secrets.token_hex(20))
        """Credentials with full access to the bucket."""
        self.readers_keys = Keys(access_key_id="reader", secret_access_key=secrets.token_hex(20))
        """Credentials with read-only access to it."""
        identities = [
            ("admin", self.admin, ["Admin"]),
            ("reader", self.readers_keys, [f"{action}:{BUCKET}" for action in ("Read", "List")]),
            ("whitebg", self.keys, [f"{action}:{BUCKET}" for action in ("Read", "Write", "List")]),
        ]
        self._identities = self._folder / "identities.json"
        self._identities.write_text(
            json.dumps(
                {
                    "identities": [
                        {
                            "name": name,
                            "credentials": [{"accessKey": keys.access_key_id, "secretKey": keys.secret_access_key}],
                            "actions": actions,
                        }
                        for name, keys, actions in identities
                    ]
                }
            )
        )
        self._process: Program | None = None
        self._made = False

    def bucket(self, **other: str) -> Bucket:
        """Return the bucket under a unique prefix."""
        whole = Bucket(name=BUCKET, endpoint=self.endpoint, region=REGION, prefix=uuid.uuid4().hex, keys=self.keys)
        return replace(whole, **other)  # type: ignore[arg-type]  # those that are given are text

    @property
    def settings(self) -> dict[str, str]:
        """Settings of processes that store their images in it, all under one prefix."""
        return {
            "s3_bucket": BUCKET,
            "s3_endpoint": self.endpoint,
            "s3_allow_http": "true",
            "s3_access_key_id": self.keys.access_key_id,
            "s3_secret_access_key": self.keys.secret_access_key,
            "s3_prefix": uuid.uuid4().hex,
        }

    def start(self) -> None:
        """Start it; return once it accepts requests and the bucket exists."""
        options = {
            "dir": self._folder,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.telemetry": "false",
            # The only node elects itself; no need to wait for others.
            "master.electionTimeout": "500ms",
            "master.heartbeatInterval": "100ms",
            "master.volumeSizeLimitMB": 64,
            "volume.max": 20,
            "filer": "true",
            "filer.localSocket": self._folder / "filer.sock",
            "s3": "true",
            "s3.config": self._identities,
            "s3.iam": "false",
            "s3.domainName": DOMAIN,
            "s3.localSocket": self._folder / "s3.sock",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
        }
        if self._certificates is not None:
            options |= {
                "s3.cert.file": self._certificates / "server.pem",
                "s3.key.file": self._certificates / "server.key",
            }
        for part, (http, grpc) in self._ports.items():
            options |= {f"{part}.port": http, f"{part}.port.grpc": grpc}
        argv = [f"-{name}={value}" for name, value in options.items()]
        self._process = Program([self._program, "-logtostderr=true", "server", *argv], {})
        self._process.wait_for("Start Seaweed S3 API Server")
        if not self._made:
            self._make_bucket()
            self._made = True

    def kill(self) -> None:
        """Kill it; stored data is kept."""
        if self._process is not None:
            self._process.close()
        forget_sockets(*(grpc for _, grpc in self._ports.values()))

    def close(self) -> None:
        """Stop it and delete its data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def set_cors(self, rules: dict[str, Any]) -> None:
        """Set the bucket's CORS rules, as taken by `PutBucketCors`."""
        client = Session().create_client(
            "s3",
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.admin.access_key_id,
            aws_secret_access_key=self.admin.secret_access_key,
        )
        try:
            client.put_bucket_cors(Bucket=BUCKET, CORSConfiguration=rules)
        finally:
            client.close()

    def _make_bucket(self) -> None:
        request = AWSRequest("PUT", f"{self.endpoint}/{BUCKET}")
        admin = Credentials(self.admin.access_key_id, self.admin.secret_access_key)
        S3SigV4Auth(admin, "s3", REGION).add_auth(request)
        trusted = create_default_context(cafile=self._certificates / "ca.pem") if self._certificates else True
        httpx.put(request.url, headers=dict(request.headers), verify=trusted).raise_for_status()


def forget_sockets(*ports: int) -> None:
    """Delete the sockets that a killed server leaves behind."""
    for port in ports:
        for socket in Path("/tmp").glob(f"seaweedfs-*-grpc-{port}.sock"):
            socket.unlink(missing_ok=True)


@contextmanager
def s3_server(*, certificates: Path | None = None) -> Iterator[S3Server]:
    """Run a server while the block runs."""
    server = S3Server(certificates=certificates)
    try:
        server.start()
        yield server
    finally:
        server.close()
