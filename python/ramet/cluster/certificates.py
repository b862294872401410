"""Certificates for the members of one cluster, made where it starts.

    folder/ca.crt    the authority; its key is thrown away, so that nobody else joins later
    folder/tls.crt   of every member: scheduler, workers, client
    folder/tls.key

Dask and Ramet's members let in who has a certificate of the authority, whatever its host is called.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ramet.cluster.errors import ClusterError

if TYPE_CHECKING:
    from distributed.security import Security

ROLES = ("client", "scheduler", "worker")
FILES = {"cert": "tls.crt", "key": "tls.key"}
DAYS = 90  # longer than a job may run anywhere
SKEW = datetime.timedelta(days=1)  # clocks of nodes differ: a certificate of this second is not yet valid elsewhere


def make_certificates(folder: Path) -> None:
    """Make a new authority and a certificate in `folder`, which this user alone may enter."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise ClusterError(
            "certificates for the cluster's members need the package cryptography, which is not installed.",
            "Use pip install 'ramet[slurm]'.",
        ) from None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority, member = (_name("Ramet cluster"), _name("member"))
    issuer = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    root = (
        _certificate(authority, authority, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    leaf = (
        _certificate(member, authority, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("member")]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write(folder, root, leaf, key)


def security_of(folder: Path) -> Security:
    """Dask's security with the certificates in `folder`, for every role."""
    from distributed.security import Security

    files = {f"tls_{role}_{kind}": str(folder / file) for role in ROLES for kind, file in FILES.items()}
    return Security(require_encryption=True, tls_ca_file=str(folder / "ca.crt"), **files)


def configuration_of(folder: Path) -> dict[str, Any]:
    """The same as Dask's configuration."""
    tls = "distributed.comm.tls"
    return {
        "distributed.comm.require-encryption": True,
        f"{tls}.ca-file": str(folder / "ca.crt"),
        **{f"{tls}.{role}.{kind}": str(folder / file) for role in ROLES for kind, file in FILES.items()},
    }


def _name(text: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject: Any, issuer: Any, key: Any) -> Any:
    from cryptography import x509

    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + datetime.timedelta(days=DAYS))
    )


def _usage(sign_certificates: bool) -> Any:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(folder: Path, root: Any, leaf: Any, key: Any) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    texts = {
        "ca.crt": root.public_bytes(Encoding.PEM),
        "tls.crt": leaf.public_bytes(Encoding.PEM),
        "tls.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
    for name, text in texts.items():
        with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
            file.write(text)
