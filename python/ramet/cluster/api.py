"""The Kubernetes API, as the user of a kubeconfig (or of the pod that this runs in) may use it.

    with Kubernetes(namespace="trees") as kubernetes:
        kubernetes.list("pods", labels={"app.kubernetes.io/instance": "ramet"})

kr8s reads the configuration and authenticates; here are plain calls that wait, each with a limit, and errors that say
what to do. Objects are the API's own JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import threading
from collections.abc import Coroutine, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ramet.cluster.errors import ClusterError, ForbiddenError, MissingError

T = TypeVar("T")
Object = dict[str, Any]

OLDEST = (1, 27)  # Kubernetes of before is not tried (Chart.yaml says the same)
LOGIN = 120.0  # seconds for a program of the kubeconfig's that gets credentials; it may ask a person
CONNECT, ANSWER = 10.0, 30.0  # seconds

NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"

_VERSIONS = {
    "pods": "v1",
    "services": "v1",
    "secrets": "v1",
    "configmaps": "v1",
    "events": "v1",
    "persistentvolumeclaims": "v1",
    "resourcequotas": "v1",
    "serviceaccounts": "v1",
    "namespaces": "v1",
    "nodes": "v1",
    "persistentvolumes": "v1",
    "deployments": "apps/v1",
    "statefulsets": "apps/v1",
    "replicasets": "apps/v1",
    "daemonsets": "apps/v1",
    "jobs": "batch/v1",
    "networkpolicies": "networking.k8s.io/v1",
    "roles": "rbac.authorization.k8s.io/v1",
    "rolebindings": "rbac.authorization.k8s.io/v1",
    "poddisruptionbudgets": "policy/v1",
    "storageclasses": "storage.k8s.io/v1",
    "selfsubjectaccessreviews": "authorization.k8s.io/v1",
    "daskclusters": "kubernetes.dask.org/v1",
    "podmonitors": "monitoring.coreos.com/v1",
}
_OF_NO_NAMESPACE = {"namespaces", "nodes", "persistentvolumes", "storageclasses", "selfsubjectaccessreviews"}
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
EVERYWHERE = ""  # the namespace that stands for all


def resource_of(kind: str) -> str:
    """The resource of a kind: "networkpolicies" of NetworkPolicy."""
    name = kind.lower()
    return name[:-1] + "ies" if name.endswith("y") else name + ("es" if name.endswith("s") else "s")


def release_labels(name: str, component: str = "") -> dict[str, str]:
    """The labels of what belongs to a release of the chart."""
    return {NAME: "ramet", INSTANCE: name} | ({COMPONENT: component} if component else {})


class Kubernetes:
    """A Kubernetes cluster, and a namespace in it.

    Parameters
    ----------
    context : str, optional
        Of the kubeconfig; left out, its current one, or the pod's own service account.
    namespace : str, optional
        Left out, the context's, or the pod's own.

    Attributes
    ----------
    context, server, namespace : str
    in_pod : bool
        Whether this is a pod of the cluster, with its service account.
    version : tuple of int
        Major and minor.
    """

    def __init__(self, context: str | None = None, namespace: str | None = None) -> None:
        import httpx
        import kr8s.asyncio

        with _reading_configuration(context):
            self._api = kr8s.asyncio.Api(bypass_factory=True, context=context, namespace=namespace)
            self._api.timeout = httpx.Timeout(ANSWER, connect=CONNECT)
            self.run(_login(self._api), LOGIN)
        self.context: str = self._api.auth.active_context
        self.in_pod = not self.context
        self.server: str = self._api.auth.server
        self.namespace: str = self._api.namespace
        if self.in_pod and not namespace:  # kr8s says "default"
            self.namespace = _OWN_NAMESPACE.read_text().strip()
        told = self.read("/version")
        self.release = str(told["gitVersion"])
        self.version = (int(told["major"]), int("".join(filter(str.isdigit, told["minor"]))))
        if self.version < OLDEST:
            raise ClusterError(
                f"the Kubernetes cluster at {self.server} is of version {self.release}, which is too old.",
                f"Ramet needs {'.'.join(map(str, OLDEST))} or newer: upgrade it, or use another --context.",
            )

    def __enter__(self) -> Kubernetes:
        return self

    def __exit__(self, *unused: object) -> None:
        with contextlib.suppress(Exception):
            session = self._api._session
            if session:
                self.run(session.aclose(), CONNECT)

    @property
    def place(self) -> str:
        """For messages: which cluster."""
        return f"context {self.context}" if self.context else "the cluster of this pod"

    def run(self, work: Coroutine[Any, Any, T], seconds: float | None = ANSWER * 2) -> T:
        """The result of a coroutine, run beside this thread."""
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), _loop())
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C
            raise

    def read(self, path: str, **parameters: str) -> Object:
        """GET of a path of the API."""
        return self._call("GET", path, parameters)

    def list(
        self,
        resource: str,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        namespace: str | None = None,
    ) -> list[Object]:
        """Objects of a kind ("pods", …) that carry these labels. Namespace `EVERYWHERE` is all of them."""
        parameters = {"limit": "500"}
        for name, wanted in (("labelSelector", labels), ("fieldSelector", fields)):
            if wanted:
                parameters[name] = ",".join(f"{key}={value}" for key, value in wanted.items())
        found: list[Object] = []
        while True:
            page = self.read(self.path(resource, namespace=namespace), **parameters)
            found += page["items"]
            parameters["continue"] = page["metadata"].get("continue", "")
            if not parameters["continue"]:
                return found

    def get(self, resource: str, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None if there is none."""
        try:
            return self.read(self.path(resource, name, namespace=namespace))
        except MissingError:
            return None

    def create(self, resource: str, body: Object, namespace: str | None = None) -> Object:
        body = {"apiVersion": _VERSIONS[resource], **body}
        return self._call("POST", self.path(resource, namespace=namespace), body=body)

    def patch(self, resource: str, name: str, body: Object, part: str = "") -> Object:
        """Merges `body` into an object, or into its subresource `part` ("scale", …)."""
        return self._call("PATCH", self.path(resource, name, part), body=body)

    def delete(self, resource: str, name: str, grace: int | None = None) -> None:
        """Deletes an object and what it owns; fine if it is gone."""
        options: Object = {"propagationPolicy": "Background"}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        with contextlib.suppress(MissingError):
            self._call("DELETE", self.path(resource, name), body=options)

    def may(self, verb: str, resource: str, part: str = "", namespace: str | None = None, name: str = "") -> bool:
        """Whether this user may do this."""
        group = _VERSIONS[resource].rpartition("/")[0]
        asked = {"verb": verb, "group": group, "resource": resource, "subresource": part, "name": name}
        if resource not in _OF_NO_NAMESPACE:
            asked["namespace"] = self.namespace if namespace is None else namespace
        body = {"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": asked}}
        return bool(self.create("selfsubjectaccessreviews", body)["status"]["allowed"])

    def logs(
        self, pod: str, *, follow: bool = False, tail: int | None = None, before: bool = False, container: str = ""
    ) -> Iterator[str]:
        """Lines of a pod's log; with `before`, of the container that ran before it was restarted."""
        parameters = {"follow": str(follow).lower(), "previous": str(before).lower()}
        if tail is not None:
            parameters["tailLines"] = str(tail)
        if container:
            parameters["container"] = container
        lines = self._lines(self.path("pods", pod, "log"), parameters)
        try:
            while (line := self.run(anext(lines, None), None)) is not None:
                yield line
        finally:
            with contextlib.suppress(Exception):
                self.run(lines.aclose(), CONNECT)

    async def _lines(self, path: str, parameters: Mapping[str, str]) -> Any:
        import httpx

        with _explaining(self.server, "GET", path):
            async with self._api.call_api(
                "GET",
                version="",
                **_parts(path),
                params=dict(parameters),
                stream=True,
                timeout=httpx.Timeout(None, connect=CONNECT),
            ) as response:
                async for line in response.aiter_lines():
                    yield line

    def websocket(self, path: str, **options: Any) -> Any:
        """A websocket to a path of the API, as an asynchronous context; to be run by `run`."""
        return self._api.open_websocket(version="", **_parts(path), **options)

    def path(self, resource: str, name: str = "", part: str = "", namespace: str | None = None) -> str:
        version = _VERSIONS[resource]
        parts = ["apis" if "/" in version else "api", version]
        namespace = self.namespace if namespace is None else namespace
        if resource not in _OF_NO_NAMESPACE and namespace:
            parts += ["namespaces", namespace]
        return "/" + "/".join(filter(None, [*parts, resource, name, part]))

    def _call(
        self, method: str, path: str, parameters: Mapping[str, str] | None = None, body: Object | None = None
    ) -> Object:
        with _explaining(self.server, method, path):
            return self.run(self._request(method, path, parameters, body))

    async def _request(
        self, method: str, path: str, parameters: Mapping[str, str] | None, body: Object | None
    ) -> Object:
        more: dict[str, Any] = {"params": dict(parameters or {})}
        if body is not None:
            kind = "merge-patch+json" if method == "PATCH" else "json"
            more |= {"content": json.dumps(body), "headers": {"Content-Type": f"application/{kind}"}}
        async with self._api.call_api(method, version="", **_parts(path), **more) as response:
            answer: Object = response.json()
            return answer


def _parts(path: str) -> dict[str, Any]:
    """A path as kr8s takes it, which puts a slash between the two."""
    base, _, url = path.rpartition("/")
    return {"base": base, "url": url} if base else {"base": path}


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Where all calls run, for as long as the process does."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="ramet-kubernetes", daemon=True).start()
    return loop


async def _login(api: Any) -> None:
    await api.auth


@contextlib.contextmanager
def _reading_configuration(context: str | None) -> Iterator[None]:
    given = os.environ.get("KUBECONFIG") or "~/.kube/config"
    try:
        yield
    except asyncio.TimeoutError:
        raise ClusterError(
            f"{given}: the program that gets credentials did not end within {LOGIN:.0f} seconds.",
            "Log in first (`kubectl get pods` must work), then try again.",
        ) from None
    except FileNotFoundError as error:
        raise ClusterError(
            f"{given}: it needs {error.filename}, which does not exist.",
            "Install that program or put back that file, or get the kubeconfig anew.",
        ) from None
    except Exception as error:
        raise _configuration_error(given, context, error) from None


def _configuration_error(given: str, context: str | None, error: Exception) -> ClusterError:
    exists = any(Path(file).expanduser().is_file() for file in given.split(os.pathsep))
    if not exists:
        return ClusterError(
            f"there is no Kubernetes cluster to speak to: {given} does not exist, and this is no pod.",
            "Set KUBECONFIG to the file that your cluster's administrator or provider gave you.",
        )
    if context and "context" in str(error).lower():
        return ClusterError(f'{given}: there is no context "{context}".', "`kubectl config get-contexts` lists them.")
    return ClusterError(f"{given}: {error or type(error).__name__}.", "Mend the kubeconfig, or name another --context.")


@contextlib.contextmanager
def _explaining(server: str, method: str, path: str) -> Iterator[None]:
    """Errors of a call as errors that say what to do."""
    import httpx
    import kr8s

    try:
        yield
    except (httpx.TransportError, kr8s.APITimeoutError, asyncio.TimeoutError, ssl.SSLError, OSError) as error:
        raise _unreachable(server, error) from None
    except (kr8s.ServerError, httpx.HTTPStatusError) as error:
        raise _refused(server, method, path, error) from None


def _unreachable(server: str, error: Exception) -> ClusterError:
    reason = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in reason or isinstance(error, ssl.SSLError):
        return ClusterError(
            f"the certificate of the Kubernetes cluster at {server} does not fit the kubeconfig: {reason}.",
            "Get the kubeconfig anew.",
        )
    return ClusterError(
        f"no Kubernetes cluster answers at {server}: {reason}.",
        "Check that it runs and that this machine reaches it (VPN, proxy), or name another --context.",
    )


def _refused(server: str, method: str, path: str, error: Exception) -> ClusterError:
    response = getattr(error, "response", None)
    status = response.status_code if response is not None else 0
    message = str(error).rstrip(".")
    if status == 401:
        return ForbiddenError(
            f"the Kubernetes cluster at {server} does not know this user: {message}.",
            "Log in again, or get the kubeconfig anew.",
        )
    if status == 403 and "is forbidden: User" in message:
        return ForbiddenError(
            f"{message}.", "Ask the cluster's administrator for a role that allows it, or use another -n NAMESPACE."
        )
    if status == 404:
        return MissingError(f"{message}.")
    return ClusterError(f"{method} {path} on {server}: {message}.")
