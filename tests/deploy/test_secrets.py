"""Certificates and tokens that the chart makes: good ones, its own, and nowhere but in their Secrets."""

from __future__ import annotations

import base64
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from charts import Object, environment, of_kind, only, pod, pods, render
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def secrets(objects: list[Object]) -> dict[str, bytes]:
    return {
        f"{secret['metadata']['name']}/{key}": base64.b64decode(value)
        for secret in of_kind(objects, "Secret")
        for key, value in secret["data"].items()
    }


def contexts(objects: list[Object], folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Server and client as Dask makes them of its three files: both show a certificate, and ask for one."""
    for name, content in secrets(objects).items():
        (folder / name.split("/")[1]).write_bytes(content)
    made = []
    for purpose in (ssl.Purpose.CLIENT_AUTH, ssl.Purpose.SERVER_AUTH):
        context = ssl.create_default_context(purpose, cafile=str(folder / "ca.crt"))
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        made.append(context)
    return made[0], made[1]


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Both ends in memory; raises what either of them objects to."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [server.wrap_bio(to_server, to_client, server_side=True), client.wrap_bio(to_client, to_server)]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass
    # In TLS 1.3 a client is done before the server has looked at its certificate.


def test_members_of_a_release_trust_each_other_and_nobody_else(tmp_path: Path) -> None:
    folders = [tmp_path / "ours", tmp_path / "theirs"]
    for folder in folders:
        folder.mkdir()
    ours, theirs = (contexts(render({}), folder) for folder in folders)
    shake_hands(*ours)
    for server, client in ((ours[0], theirs[1]), (theirs[0], ours[1])):
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(server, client)


def test_a_certificate_names_the_hosts_and_holds_for_years() -> None:
    objects = render({})
    found = next(content for name, content in secrets(objects).items() if name.endswith("/tls.crt"))
    certificate = x509.load_pem_x509_certificate(found)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    host = environment(pod(objects, "worker").main)["DASK_SCHEDULER_ADDRESS"].split("/")[2].split(":")[0]
    assert host in names.get_values_for_type(x509.DNSName)
    assert certificate.not_valid_after_utc - datetime.now(timezone.utc) > timedelta(days=3600)


def test_nobody_can_sign_another() -> None:
    """The authority's key is thrown away: what the Secret has does not sign."""
    found = secrets(render({}))
    assert {name.split("/")[1] for name in found} == {"ca.crt", "tls.crt", "tls.key"}
    member = x509.load_pem_x509_certificate(next(v for k, v in found.items() if k.endswith("/tls.crt")))
    key = load_pem_private_key(next(v for k, v in found.items() if k.endswith("/tls.key")), None)
    assert key.public_key() == member.public_key(), "the member's own key, and the only one"
    assert not member.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_secrets_are_in_no_other_object(objects: list[Object]) -> None:
    others = yaml.safe_dump([found for found in objects if found["kind"] != "Secret"], width=10**9)
    for name, content in secrets(objects).items():
        for form in (content.decode(), base64.b64encode(content).decode(), *content.decode().split("\n")[1:2]):
            assert form not in others, name


def test_credentials_come_from_secrets_by_name(objects: list[Object]) -> None:
    """What looks like a secret is a reference or the path of a file."""
    suspicious = ("SECRET", "PASSWORD", "TOKEN", "ACCESS_KEY", "CREDENTIAL")
    for made in pods(objects):
        for container in made.containers:
            for name, value in environment(container).items():
                if any(word in name.upper() for word in suspicious):
                    assert isinstance(value, dict) or value.startswith("/"), (made.owner, name)


def test_object_store_credentials_reach_those_who_read_data() -> None:
    objects = render({"objectStore": {"existingSecret": "s3"}, "notebook": {"enabled": True}})
    having = {made.component for made in pods(objects) if made.main.get("envFrom") == [{"secretRef": {"name": "s3"}}]}
    assert having == {"worker", "notebook"}


def test_the_notebook_has_a_token_of_its_own() -> None:
    tokens = set()
    for _ in range(2):
        objects = render({"notebook": {"enabled": True}})
        token = base64.b64decode(only(objects, "Secret", "-notebook")["data"]["token"]).decode()
        assert len(token) >= 40 and token.isalnum()
        tokens.add(token)
        notebook = pod(objects, "notebook")
        path = Path(environment(notebook.main)["JUPYTER_TOKEN_FILE"])
        mount = next(mount for mount in notebook.main["volumeMounts"] if mount["mountPath"] == str(path.parent))
        volume = next(volume for volume in notebook.spec["volumes"] if volume["name"] == mount["name"])
        assert volume["secret"]["secretName"].endswith("-notebook") and path.name == "token"
    assert len(tokens) == 2


def test_without_tls_there_are_no_certificates() -> None:
    objects = render({"tls": {"enabled": False}})
    assert not of_kind(objects, "Secret")
    for made in pods(objects):
        assert "tls" not in {volume["name"] for volume in made.spec["volumes"]}
