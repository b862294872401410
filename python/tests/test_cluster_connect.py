"""A client by a cluster's name: what is checked before and after the scheduler is spoken to."""

import base64
import datetime
import warnings

import pytest
from kubernetes_objects import pod
from ramet.cluster.api import INSTANCE
from ramet.cluster.connect import FILES, certificates_of, check_expiry, compare_versions
from ramet.cluster.errors import ClusterError, ForbiddenError
from ramet.cluster.members import is_ready, options, require_members, scheduler_pod

x509 = pytest.importorskip("cryptography.x509")


class Namespace:
    """A namespace that holds these pods and secrets, as far as a user may read it."""

    def __init__(self, pods=(), secrets=None, name="trees", in_pod=False):
        self.pods, self.secrets, self.namespace, self.in_pod, self.place = pods, secrets, name, in_pod, "context here"

    def list(self, resource, labels=None):
        assert resource == "pods"
        wanted = (labels or {}).get(INSTANCE)
        return [item for item in self.pods if wanted in (None, item["metadata"]["labels"][INSTANCE])]

    def get(self, resource, name):
        if self.secrets is None:
            raise ForbiddenError("secrets is forbidden")
        return self.secrets.get(name)


def member(component, release="ramet", ready=True, made="2026-01-01T00:00:00Z", **more):
    made_pod = pod(f"{release}-{component}-x", ready=ready, component=component, phase="Running", **more)
    made_pod["metadata"]["labels"][INSTANCE] = release
    made_pod["metadata"]["creationTimestamp"] = made
    return made_pod


def with_certificates(thing, secret="ramet-tls"):
    thing["spec"]["containers"][0]["volumeMounts"] = [{"name": "tls", "mountPath": "/etc/ramet/tls", "readOnly": True}]
    thing["spec"]["volumes"].append({"name": "tls", "secret": {"secretName": secret}})
    return thing


def certificate(days):
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ramet")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(7).not_valid_before(now - datetime.timedelta(days=900))
    made = made.not_valid_after(now + datetime.timedelta(days=days)).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_the_certificates_are_those_that_the_scheduler_mounts():
    text = {file: base64.b64encode(file.encode()).decode() for file in FILES}
    scheduler = with_certificates(member("scheduler"), "of-mine")
    assert certificates_of(Namespace(secrets={"of-mine": {"data": text}}), scheduler) == {file: file for file in FILES}
    assert certificates_of(Namespace(secrets={}), member("scheduler")) == {}  # without TLS


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        (None, ["may not read", "administrator"]),
        ({}, ["of-mine", "lacks"]),
        ({"of-mine": {"data": {"ca.crt": ""}}}, ["of-mine", "tls.key", "ramet cluster up"]),
    ],
)
def test_certificates_that_are_not_to_be_had(secrets, words):
    with pytest.raises(ClusterError) as error:
        certificates_of(Namespace(secrets=secrets), with_certificates(member("scheduler"), "of-mine"))
    for word in words:
        assert word in str(error.value)


def test_an_expired_certificate_is_told_before_the_connection_fails():
    check_expiry(certificate(days=1), "ramet")
    with pytest.raises(ClusterError, match=r'cluster "trees" expired on 20.*`ramet cluster up --name trees`'):
        check_expiry(certificate(days=-1), "trees", " --name trees")


def test_another_ramet_on_the_cluster_is_an_error_that_names_who_and_which():
    compare_versions("ramet", {"scheduler": "1.2", "w0": "1.2"}, "", lambda package: "1.2")
    with pytest.raises(ClusterError, match=r"w1 of cluster .* has Ramet 1\.1 \(and 1 more .*here is 1\.2.*ramet==1\.1"):
        compare_versions("ramet", {"scheduler": "1.2", "w1": "1.1", "w2": "1.0"}, "", lambda package: "1.2")
    with pytest.warns(UserWarning, match="did not say"):
        compare_versions("ramet", {}, "", lambda package: "1.2")


def test_the_scheduler_is_the_pod_that_is_up():
    old = member("scheduler", ready=False, made="2026-01-03T00:00:00Z")
    up = member("scheduler", made="2026-01-02T00:00:00Z")
    assert scheduler_pod(Namespace([old, up, member("worker")]), "ramet") is up
    with pytest.raises(ClusterError, match=r"is not up.*`ramet cluster status -n trees`"):
        scheduler_pod(Namespace([old, member("worker")]), "ramet")
    up["metadata"]["deletionTimestamp"] = "2026-01-04T00:00:00Z"
    assert not is_ready(up)


def test_a_cluster_that_does_not_exist_is_told_with_those_that_do():
    there = Namespace(
        [member("worker", release="b"), member("scheduler", release="a"), member("scheduler", release="b")]
    )
    with pytest.raises(ClusterError, match=r'no cluster "c" in namespace trees of context here; there is a, b\.'):
        require_members(there, "c")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(require_members(there, "b").pods) == 2


def test_flags_that_messages_tell_of():
    assert options("ramet", Namespace(name="default")) == ""
    assert options("x", Namespace()) == " --name x -n trees"
    assert options("x") == " --name x"
