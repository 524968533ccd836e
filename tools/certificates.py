"""Make certificates for the gRPC port of your own installation: a CA, one for servers, one for clients.

A further run keeps the CA and replaces the other two, which is a rotation. Not needed if you have a CA already.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_FOR = timedelta(days=3650)
# The clocks of two hosts never agree exactly.
BACKDATED = timedelta(minutes=5)


def make_certificates(
    folder: Path, names: Sequence[str], *, good_for: timedelta = timedelta(days=90), authority: Path | None = None
) -> None:
    """Write ``ca.pem``, ``server.pem``, ``server.key``, ``client.pem`` and ``client.key`` into a folder.

    The server's certificate contains all ``names``, DNS names or addresses. An existing CA (``ca.pem``, ``ca.key``) is
    kept. The CA's key is in ``authority``, by default the same folder; a key in the folder is moved there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if authority is None:
        authority = folder
    elif authority != folder:
        authority.mkdir(parents=True, exist_ok=True)
        _move_authority(folder, authority)
    ca, ca_key = _authority(authority)
    if authority != folder:
        _write(folder / "ca.pem", ca.public_bytes(Encoding.PEM), mode=0o644)
    for kind, usage, held in (
        ("server", ExtendedKeyUsageOID.SERVER_AUTH, names),
        ("client", ExtendedKeyUsageOID.CLIENT_AUTH, ["whitebg-client"]),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(f"whitebg {kind}", ca.subject, key, good_for)
            .add_extension(x509.SubjectAlternativeName([_name(name) for name in held]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        _write_pair(folder, kind, certificate, key)


def _move_authority(folder: Path, authority: Path) -> None:
    """Move the CA of an earlier run out of the folder of the certificates, unless the authority's folder has one."""
    key = folder / "ca.key"
    if not key.exists():
        return
    if not (authority / "ca.key").exists():
        _write(authority / "ca.pem", (folder / "ca.pem").read_bytes(), mode=0o644)
        _write(authority / "ca.key", key.read_bytes(), mode=0o600)
    key.unlink()


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    if (folder / "ca.key").exists():
        key = load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SystemExit(f"{folder / 'ca.key'} was not made by this command; use another folder")
        return x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()), key
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whitebg CA")])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder("whitebg CA", subject, key, CA_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_pair(folder, "ca", certificate, key)
    return certificate, key


def _builder(
    common_name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, good_for: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + good_for)
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_pair(folder: Path, kind: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    _write(folder / f"{kind}.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    _write(folder / f"{kind}.pem", certificate.public_bytes(Encoding.PEM), mode=0o644)


def _write(path: Path, text: bytes, *, mode: int) -> None:
    """Replace a file atomically, because it may be in use."""
    beside = path.with_suffix(path.suffix + ".new")
    beside.unlink(missing_ok=True)
    with open(beside, "wb", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, mode)) as file:
        file.write(text)
    beside.replace(path)


def main() -> None:
    """Make them in the folder given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+", metavar="NAME", help="DNS name or address of the services")
    parser.add_argument("--authority", type=Path, metavar="FOLDER", help="folder of the CA's key, by default the same")
    parser.add_argument("--days", type=int, default=90, help="how long they are good; the CA is for ten years")
    arguments = parser.parse_args()
    make_certificates(
        arguments.folder,
        arguments.names,
        good_for=timedelta(days=arguments.days),
        authority=arguments.authority,
    )
    print(f"certificates for {', '.join(arguments.names)} are in {arguments.folder}")


if __name__ == "__main__":
    main()
