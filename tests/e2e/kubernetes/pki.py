"""Certificates of a cluster, and the kubeconfigs that hold them.

    authority = Authority(folder)                       # folder/ca.crt, folder/sa.key, folder/sa.pub
    authority.server("apiserver", ["localhost", "10.96.0.1"])
    authority.kubeconfig("admin", url, organization="system:masters")      # returns its path

Keys are P-256: made in no time. All of it is thrown away with the cluster.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = datetime.timedelta(days=7)


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def names(entries: list[str]) -> x509.SubjectAlternativeName:
    found: list[x509.GeneralName] = []
    for entry in entries:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(entry)))
        except ValueError:
            found.append(x509.DNSName(entry))
    return x509.SubjectAlternativeName(found)


class Authority:
    """The cluster's certificate authority; what it signs lies beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e")])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        self._certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca = self._write("ca.crt", self._certificate.public_bytes(serialization.Encoding.PEM))
        accounts = ec.generate_private_key(ec.SECP256R1())  # signs the tokens of service accounts
        self._write("sa.key", pem(accounts))
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        self._write("sa.pub", accounts.public_key().public_bytes(serialization.Encoding.PEM, public))

    def server(self, name: str, addresses: list[str]) -> tuple[Path, Path]:
        """Certificate and key of a server that is reached by these names and addresses."""
        return self._sign(name, name, "", ExtendedKeyUsageOID.SERVER_AUTH, addresses)

    def client(self, name: str, *, common_name: str = "", organization: str = "") -> tuple[Path, Path]:
        return self._sign(name, common_name or name, organization, ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def kubeconfig(self, name: str, url: str, *, common_name: str = "", organization: str = "") -> Path:
        certificate, key = self.client(name, common_name=common_name, organization=organization)
        data = {
            kind: base64.b64encode(path.read_bytes()).decode()
            for kind, path in {"ca": self.ca, "certificate": certificate, "key": key}.items()
        }
        cluster = {"server": url, "certificate-authority-data": data["ca"]}
        user = {"client-certificate-data": data["certificate"], "client-key-data": data["key"]}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": name}}],
            "current-context": "e2e",
        }
        return self._write(f"{name}.conf", json.dumps(config, indent=1).encode())

    def _sign(self, file: str, name: str, organization: str, usage, addresses: list[str]) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if organization:
            parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        builder = self._builder(x509.Name(parts), key).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if addresses:
            builder = builder.add_extension(names(addresses), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return (
            self._write(f"{file}.crt", certificate.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{file}.key", pem(key)),
        )

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + LIFE)
        )

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        return path
