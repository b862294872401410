"""A Dask client on a cluster by name, wherever this runs.

On a machine outside, the client speaks through a forwarded port, with the certificates of the release; in a pod of the
cluster (a notebook), straight to the scheduler with the pod's own.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import base64
import datetime
import ssl
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ramet.cluster.api import Kubernetes, Object
from ramet.cluster.errors import ClusterError, ForbiddenError
from ramet.cluster.members import CERTIFICATES, SCHEDULER_PORT, options, scheduler_pod

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 30.0  # seconds for the scheduler to answer
FILES = ("ca.crt", "tls.crt", "tls.key")


def connect(
    name: str = "ramet",
    namespace: str | None = None,
    *,
    context: str | None = None,
    kubernetes: Kubernetes | None = None,
    timeout: float = PATIENCE,
    check_versions: bool = True,
) -> Client:
    """A client of the cluster that ``ramet cluster up NAME`` made.

    Parameters
    ----------
    name : str, default="ramet"
    namespace : str, optional
        Left out, that of the context.
    context : str, optional
        Of the kubeconfig; left out, its current one.
    kubernetes : Kubernetes, optional
        A connection to the API that is there already, in place of `namespace` and `context`.
    timeout : float, default=30
        Seconds for the scheduler to answer.
    check_versions : bool, default=True
        Whether another version of Ramet on the cluster is an error.

    Returns
    -------
    distributed.Client
        Closing it closes the connection to Kubernetes too.

    Raises
    ------
    ramet.cluster.errors.ClusterError
        If there is no such cluster, it is not up, or does not fit; it says what to do.
    """
    kubernetes = kubernetes or Kubernetes(context, namespace)
    pod = scheduler_pod(kubernetes, name)
    certificates = certificates_of(kubernetes, pod)
    if certificates:
        check_expiry(certificates["tls.crt"], name, options(name, kubernetes))
    client = _open(kubernetes, name, pod, certificates, timeout)
    if check_versions:
        try:
            compare_versions(name, versions_of(client, timeout), options(name, kubernetes))
        except BaseException:
            client.close()
            raise
    return client


def certificates_of(kubernetes: Kubernetes, pod: Object) -> dict[str, str]:
    """The text of FILES, of the secret that the scheduler's pod mounts; {} for a release without TLS."""
    spec = pod["spec"]
    mounts = [mount for container in spec["containers"] for mount in container.get("volumeMounts", [])]
    volumes = {mount["name"] for mount in mounts if mount["mountPath"].rstrip("/") == CERTIFICATES}
    secrets = [volume["secret"]["secretName"] for volume in spec.get("volumes", []) if volume["name"] in volumes]
    if not secrets:
        return {}
    own = [Path(CERTIFICATES, file) for file in FILES]
    if kubernetes.in_pod and all(file.exists() for file in own):
        return {file.name: file.read_text() for file in own}
    try:
        secret = kubernetes.get("secrets", secrets[0])
    except ForbiddenError as error:
        raise ForbiddenError(
            f"the cluster's certificates lie in secret {secrets[0]}, which this user may not read ({error.message}).",
            "Ask the cluster's administrator for `get` on it, or work in the cluster's notebook.",
        ) from None
    if secret is None or not all(file in secret.get("data", {}) for file in FILES):
        raise ClusterError(
            f"secret {secrets[0]}, which is to hold the cluster's certificates, lacks {', '.join(FILES)}.",
            "`ramet cluster up` makes them again; a secret of your own must hold all three.",
        )
    return {file: base64.b64decode(secret["data"][file]).decode() for file in FILES}


def expires(certificate: str) -> datetime.datetime:
    """When a certificate (PEM) ends."""
    from cryptography import x509

    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc


def check_expiry(certificate: str, name: str, flags: str = "") -> None:
    end = expires(certificate)
    if end <= datetime.datetime.now(datetime.timezone.utc):
        raise ClusterError(
            f'the certificate of cluster "{name}" expired on {end:%Y-%m-%d}.',
            f"`ramet cluster up{flags}` makes a new one, and all restart; one of your own must be "
            "replaced in its secret.",
        )


def _open(kubernetes: Kubernetes, name: str, pod: Object, certificates: dict[str, str], timeout: float) -> Client:
    import distributed
    from distributed.security import Security

    from ramet.cluster.forward import Forward

    security = None
    if certificates:
        security = Security(
            require_encryption=True,
            tls_ca_file=certificates["ca.crt"],
            tls_client_cert=certificates["tls.crt"],
            tls_client_key=certificates["tls.key"],
        )
    forward: Forward | None = None
    host, port = pod["status"].get("podIP", ""), SCHEDULER_PORT
    if not kubernetes.in_pod:
        forward = Forward(kubernetes, lambda: str(scheduler_pod(kubernetes, name)["metadata"]["name"]), SCHEDULER_PORT)
        host, port = "127.0.0.1", forward.port

    class ForwardedClient(distributed.Client):
        """Takes the forwarded port along when it closes."""

        async def _close(self, *arguments: Any, **options: Any) -> None:
            await super()._close(*arguments, **options)
            if forward:
                forward.close()

    scheme = "tls" if security else "tcp"
    try:
        return ForwardedClient(f"{scheme}://{host}:{port}", security=security, timeout=timeout, set_as_default=False)
    except (OSError, ssl.SSLError, ValueError) as error:
        if forward:
            forward.close()
        where = options(name, kubernetes)
        raise ClusterError(
            f'the scheduler of cluster "{name}" does not answer: {error}.',
            f"`ramet cluster status{where}` and `ramet cluster logs scheduler{where}` say more.",
        ) from None


def versions_of(client: Client, timeout: float = PATIENCE) -> dict[str, str]:
    """Ramet's version on the scheduler ("scheduler") and on each worker, by name; what failed, as text."""
    # A function of the standard library: it is the same on both sides, whatever Ramet is there.
    limit = {"callback_timeout": timeout}
    try:
        scheduler = client.sync(client._run_on_scheduler, version, "ramet", **limit)
        workers = client.sync(client._run, version, "ramet", on_error="return", **limit)
    except (TimeoutError, asyncio.TimeoutError):
        return {}
    known = client.scheduler_info(n_workers=-1)["workers"]
    names = {address: str(worker["name"]) for address, worker in known.items()}
    return {"scheduler": scheduler} | {names.get(key, key): str(value) for key, value in workers.items()}


def compare_versions(name: str, found: dict[str, str], flags: str = "", own: Callable[[str], str] = version) -> None:
    """An error if another version of Ramet is on the cluster; a warning if nobody said."""
    here = own("ramet")
    others = {member: there for member, there in found.items() if there != here}
    if not found:
        warnings.warn(f'cluster "{name}" did not say which version of Ramet it has.', stacklevel=3)
    if others:
        member, there = next(iter(others.items()))
        more = f" (and {len(others) - 1:,} more that differ)" if len(others) > 1 else ""
        raise ClusterError(
            f'{member} of cluster "{name}" has Ramet {there}{more}, and here is {here}.',
            f"Install the cluster's here (pip install 'ramet=={there}'), or bring the cluster to this one: "
            f"`ramet cluster up{flags}`.",
        )
