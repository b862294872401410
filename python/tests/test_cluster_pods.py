"""Why a pod is not up: each cause is named, tells what to do, and is waited for as long as that may help."""

import math

import pytest
from kubernetes_objects import claim, event, node, pod
from ramet.cluster.pods import Surroundings, explain, explain_claim, explain_maker
from ramet.cluster.scheduling import needs

NONE_HERE = "0/2 nodes are available: "
GPU = {"nvidia.com/gpu": "2"}
TWO_NODES = (node("n1"), node("n2", memory="8Gi"))


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


def ended(code, reason="Error", message=""):
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def around(thing=None, *events, nodes=TWO_NODES, claims=(), has_default_class=True):
    by_uid = {thing["metadata"]["uid"]: events} if thing else {}
    named = {item["metadata"]["name"]: item for item in claims}
    return Surroundings(by_uid, nodes, named, has_default_class)


# cause's kind, words of what it says, words of what to do, the pod, its surroundings
UNSCHEDULED = [
    (
        "gpu",
        "no node of the cluster offers any",
        "device plugin",
        pod(scheduled=NONE_HERE + "2 Insufficient nvidia.com/gpu. preemption: 0/2 nodes are available", requests=GPU),
        TWO_NODES,
    ),
    (
        "gpu",
        "no node has more than 1",
        "--gpus-per-worker 1",
        pod(scheduled=NONE_HERE + "2 Insufficient nvidia.com/gpu.", requests=GPU),
        (node(nvidia_com_gpu="1"), node("n2")),
    ),
    (
        "gpu-taken",
        "8 in all",
        "fewer workers",
        pod(scheduled=NONE_HERE + "2 Insufficient nvidia.com/gpu.", requests=GPU),
        (node(nvidia_com_gpu="4"), node("n2", nvidia_com_gpu="4")),
    ),
    (
        "too-large-memory",
        "asks for 64 GiB of memory, and the largest node offers 16 GiB",
        "--memory",
        pod(scheduled=NONE_HERE + "2 Insufficient memory.", requests={"memory": "64Gi"}),
        TWO_NODES,
    ),
    (
        "too-large-memory",
        "asks for 4,000 GiB of memory",
        "--memory",
        pod(scheduled=NONE_HERE + "2 Insufficient memory.", requests={"memory": "4000Gi"}),
        TWO_NODES,
    ),
    (
        "full-cpu",
        "no room left",
        "fewer workers",
        pod(scheduled=NONE_HERE + "2 Insufficient cpu.", requests={"cpu": "2"}),
        TWO_NODES,
    ),
    (
        "taint",
        "untolerated taint",
        "{spot: true}",
        pod(scheduled=NONE_HERE + "1 Insufficient cpu, 1 node(s) had untolerated taint {spot: true}."),
        TWO_NODES,
    ),
    (
        "selector",
        "affinity/selector",
        "worker.nodeSelector",
        pod(scheduled=NONE_HERE + "2 node(s) didn't match Pod's node affinity/selector."),
        TWO_NODES,
    ),
    (
        "affinity",
        "pod affinity rules",
        "on one node",
        pod(scheduled=NONE_HERE + "2 node(s) didn't match pod affinity rules."),
        TWO_NODES,
    ),
    (
        "cordoned",
        "unschedulable",
        "kubectl uncordon",
        pod(scheduled=NONE_HERE + "2 node(s) were unschedulable."),
        TWO_NODES,
    ),
    ("pods", "Too many pods", "add nodes", pod(scheduled=NONE_HERE + "2 Too many pods."), TWO_NODES),
    (
        "volume-elsewhere",
        "volume node affinity",
        "ReadWriteMany",
        pod(scheduled=NONE_HERE + "2 node(s) had volume node affinity conflict."),
        TWO_NODES,
    ),
    ("no-nodes", "no nodes available", "Start one", pod(scheduled="no nodes available to schedule pods"), ()),
    (
        "claim",
        "not found",
        "claim mine",
        pod(scheduled='persistentvolumeclaim "mine" not found. preemption: 0/1'),
        TWO_NODES,
    ),
    (
        "unschedulable",
        "something new",
        "kubectl describe nodes",
        pod(scheduled=NONE_HERE + "2 something new."),
        TWO_NODES,
    ),
]

STARTING = [
    (
        "image",
        "there is no image ramet/ramet:0.1.0",
        "--image",
        pod(
            state=waiting(
                "ErrImagePull",
                "rpc error: code = NotFound desc = failed to pull: docker.io/ramet/ramet:0.1.0: not found",
            )
        ),
    ),
    (
        "image",
        "cannot be pulled",
        "reach its registry",
        pod(state=waiting("ImagePullBackOff", "Back-off pulling image: dial tcp: i/o timeout")),
    ),
    (
        "image-secret",
        "may not be pulled",
        "image.pullSecrets",
        pod(
            state=waiting("ErrImagePull", "pull access denied, repository does not exist or may require authorization")
        ),
    ),
    ("image", "not the name of an image", "--image", pod(state=waiting("InvalidImageName"), image="Ramet/Ramet:")),
    (
        "image",
        "processor",
        "--image",
        pod(state=waiting("ErrImagePull", "no match for platform in manifest: not found")),
    ),
    ("image", "may not be pulled", "image.pullPolicy", pod(state=waiting("ErrImageNeverPull"))),
    (
        "settings",
        "secret keys does not exist",
        "Make secret keys",
        pod(state=waiting("CreateContainerConfigError", 'secret "keys" not found')),
    ),
    (
        "image",
        "run as root",
        "numeric USER",
        pod(state=waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
    ),
    (
        "image",
        "lacks what is to run",
        "must hold Ramet",
        pod(state=waiting("RunContainerError", 'exec: "dask": executable file not found in $PATH')),
    ),
    (
        "memory",
        "more memory than it may, 3 times now",
        "--memory",
        pod(state=waiting("CrashLoopBackOff"), last=ended(137, "OOMKilled"), restarts=3),
    ),
    (
        "crash",
        "exit code 1, 4 times now",
        "--previous",
        pod(state=waiting("CrashLoopBackOff"), last=ended(1), restarts=4),
    ),
    (
        "crash",
        "container packages",
        "logs",
        pod(state=waiting("CrashLoopBackOff"), last=ended(1), restarts=2, init=True, component="packages"),
    ),
    (
        "image",
        "lacks the program",
        "must hold Ramet",
        pod(state=waiting("CrashLoopBackOff"), last=ended(127), restarts=1),
    ),
    (
        "evicted",
        "low on resource: memory",
        "--memory",
        pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
    ),
    (
        "not-admitted",
        "UnexpectedAdmissionError",
        "wait",
        pod(phase="Failed", reason="UnexpectedAdmissionError", message="no healthy devices"),
    ),
    ("node-lost", "node n9 does not answer", "out-of-service", pod(node="n9", phase="Running", state={"running": {}})),
    ("not-ready", "not ready yet", "logs", pod(phase="Running", state={"running": {}})),
]

BY_EVENTS = [
    (
        "image",
        "lacks what is to run",
        "--image",
        event("Unhealthy", 'Startup probe errored: exec: "python": executable file not found in $PATH: unknown'),
    ),
    (
        "not-ready",
        "(Startup probe failed)",
        "logs",
        event("Unhealthy", "(combined from similar events): Startup probe failed: Traceback: refused"),
    ),
    (
        "volume",
        'secret "ramet-tls" not found',
        "exists",
        event("FailedMount", 'MountVolume.SetUp failed for volume "tls": secret "ramet-tls" not found'),
    ),
    ("volume", "Multi-Attach", "ReadWriteMany", event("FailedAttachVolume", "Multi-Attach error for volume pvc-1")),
    (
        "sandbox",
        "network plugin",
        "network plugin",
        event("FailedCreatePodSandBox", "failed to set up network plugin cni"),
    ),
    ("pulling", "being pulled", "", event("Pulling", 'Pulling image "ramet/ramet:0.1.0"')),
    ("not-ready", "Readiness probe failed", "logs", event("Unhealthy", "Readiness probe failed: connection refused")),
]

NOT_MADE = [
    (
        "quota",
        "quota small does not allow it (requested: memory=4Gi, used: memory=0, limited: memory=1Gi)",
        "--memory",
        'create Pod ramet-worker-0 in StatefulSet ramet-worker failed error: pods "ramet-worker-0" is forbidden: '
        "exceeded quota: small, requested: memory=4Gi, used: memory=0, limited: memory=1Gi",
    ),
    (
        "quota",
        "wants limits.cpu",
        "--set",
        'pods "x" is forbidden: failed quota: small: must specify limits.cpu for: worker',
    ),
    (
        "policy",
        "security rules",
        "-n",
        'pods "x" is forbidden: violates PodSecurity "restricted:latest": hostPath volumes',
    ),
    (
        "policy",
        "a rule of the cluster",
        "Ask",
        'admission webhook "validate.kyverno.svc" denied the request: no label team',
    ),
    ("not-made", "service account", "", 'pods "x" is forbidden: error looking up service account a/b'),
]


def check(cause, kind, what, remedy):
    assert cause is not None
    assert cause.kind == kind
    assert what in cause.what and cause.what.endswith(".")
    assert remedy in cause.remedy
    assert not cause.remedy or cause.remedy[-1] in ".`'" or cause.remedy.endswith("once.")


@pytest.mark.parametrize(("kind", "what", "remedy", "thing", "nodes"), UNSCHEDULED)
def test_no_node_takes_it(kind, what, remedy, thing, nodes):
    cause = explain(thing, around(nodes=nodes))
    check(cause, kind, what, remedy)
    assert 0 < cause.patience < math.inf
    assert "preemption" not in cause.what


@pytest.mark.parametrize(("kind", "what", "remedy", "thing"), STARTING)
def test_its_container_does_not_start(kind, what, remedy, thing):
    cause = explain(thing, around(nodes=(*TWO_NODES, node("n9", ready=False))))
    check(cause, kind, what, remedy)
    assert 0 < cause.patience < math.inf


@pytest.mark.parametrize(("kind", "what", "remedy", "told"), BY_EVENTS)
def test_only_events_tell(kind, what, remedy, told):
    thing = pod(state=waiting("ContainerCreating"))
    check(
        explain(thing, around(thing, event("Scheduled", "assigned", "2025-12-31T00:00:00Z"), told)), kind, what, remedy
    )


@pytest.mark.parametrize(("kind", "what", "remedy", "message"), NOT_MADE)
def test_no_pod_is_made(kind, what, remedy, message):
    maker = {"metadata": {"name": "ramet-worker", "uid": "uid-w"}}
    failed = event("FailedCreate", message, "2026-01-01T00:00:05Z")
    made = event("SuccessfulCreate", "create Pod", "2026-01-01T00:00:09Z")
    check(explain_maker(maker, around(maker, failed)), kind, what, remedy)
    assert explain_maker(maker, around(maker, failed, made)) is None
    assert explain_maker(maker, around()) is None


def test_the_newest_event_counts():
    thing = pod(state=waiting("ContainerCreating"))
    failed = event("FailedMount", "no such export", "2026-01-01T00:00:01Z")
    mended = event("Pulling", "Pulling image", "2026-01-01T00:00:02Z")
    assert explain(thing, around(thing, failed, mended)).kind == "pulling"
    assert (
        explain(
            thing, around(thing, mended, failed | {"lastTimestamp": None, "eventTime": "2026-01-02T00:00:00Z"})
        ).kind
        == "volume"
    )


def test_of_several_resources_the_one_that_no_node_has_is_told():
    message = NONE_HERE + "2 Insufficient cpu, 2 Insufficient memory. no new claims to deallocate, preemption: 0/2 no"
    cause = explain(pod(scheduled=message, requests={"cpu": "1", "memory": "600Gi"}), around())
    assert cause.kind == "too-large-memory"
    cause = explain(pod(scheduled=message, requests={"cpu": "1", "memory": "1Gi"}), around())
    assert cause.what.endswith("2 Insufficient cpu, 2 Insufficient memory.")


def test_a_container_that_crashed_is_told_of_while_it_tries_again_and_given_longer():
    trying = explain(pod(restarts=2, state={"running": {}}, last=ended(2), phase="Running"), around())
    backing_off = explain(pod(restarts=2, state=waiting("CrashLoopBackOff"), last=ended(2)), around())
    assert trying.kind == backing_off.kind == "crash"
    assert math.inf > trying.patience > backing_off.patience


def test_an_autoscaler_at_work_is_waited_for():
    thing = pod(scheduled=NONE_HERE + "2 Insufficient nvidia.com/gpu.", requests=GPU)
    cause = explain(thing, around(thing, event("TriggeredScaleUp", "pod triggered scale-up: 0->1 (max: 4)")))
    assert (cause.kind, cause.patience) == ("scaling", math.inf)


def test_a_ready_pod_has_no_cause_and_an_ending_one_is_waited_for():
    up = pod(phase="Running", ready=True, state={"running": {}}, last=ended(137, "OOMKilled"), restarts=7)
    assert explain(up, around()) is None
    assert explain(pod(phase="Succeeded", state=ended(0, "Completed")), around()) is None
    up["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert explain(up, around()).patience == math.inf
    lost = pod(node="n9", phase="Running", state={"running": {}})
    lost["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert explain(lost, around(nodes=(node("n9", ready=False),))).kind == "node-lost"


def test_a_pod_that_has_just_been_made_has_no_cause():
    fresh = pod(state=waiting("ContainerCreating"))
    assert explain(fresh, around(fresh, event("Scheduled", "assigned"))) is None
    assert explain({"metadata": {"name": "x", "uid": "u"}, "spec": {"containers": []}}, around()) is None


UNBOUND = NONE_HERE + "pod has unbound immediate PersistentVolumeClaims. not found"


@pytest.mark.parametrize(
    ("words", "own", "events", "default"),
    [
        ("no default storage class", claim(storage_class=None), (), False),
        (
            'there is no storage class "fast"',
            claim(),
            (event("ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found'),),
            True,
        ),
        (
            "only ReadWriteOnce is supported",
            claim(),
            (event("ProvisioningFailed", "rpc error: code = InvalidArgument desc = only ReadWriteOnce is supported"),),
            True,
        ),
        ("the volume of claim ramet-data is gone", claim(phase="Lost"), (), True),
        ("waits for a volume", claim(), (event("ExternalProvisioning", "waiting for a volume to be created"),), True),
    ],
)
def test_a_claim_without_a_volume_explains_itself_and_its_pods(words, own, events, default):
    surroundings = around(own, *events, claims=(own,), has_default_class=default)
    thing = pod(scheduled=UNBOUND, claims=("ramet-data",))
    for cause in (explain_claim(own, surroundings), explain(thing, surroundings)):
        assert cause.kind == "claim" and words in cause.what and cause.remedy


def test_claims_that_wait_for_a_pod_or_are_bound_are_fine():
    own = claim()
    assert explain_claim(own, around(own, event("WaitForFirstConsumer", "waiting for first consumer"))) is None
    assert explain_claim(claim(phase="Bound"), around()) is None


def test_what_a_pod_needs():
    thing = pod(requests={"memory": "1536Mi", "cpu": "500m", "nvidia.com/gpu": "2"})
    assert needs(thing) == {"memory": 1.5 * 2**30, "cpu": 0.5, "nvidia.com/gpu": 2}
