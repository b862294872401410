"""The Jobs of `ramet submit` and `ramet doctor`, for every kind of release that the chart makes."""

import functools
import re

import pytest
from chart_templates import charts, kubernetes_validate
from ramet.cluster import jobs
from ramet.cluster.errors import ClusterError
from ramet.cluster.job import TRY_AGAIN
from ramet.cluster.short_pods import PORT, Setting
from ramet.cluster.short_pods import job_of as check_of

LINE = ("/data/*.parquet", "--label", "late$(HOME)", "--drop", "a$$b,$c,$$(d)")
SHARED = {"storage": {name: {"enabled": True} for name in ("data", "models", "checkpoints")}}
VERSIONS = (charts.OLDEST, charts.NEWEST)


def submission(release=charts.RELEASE, **more):
    return jobs.Submission(release, LINE, "/home/me/late.ramet", jobs.new_name(release), **more)


@functools.cache
def workers(path):
    """The workers' StatefulSets that a file of values makes: one, or, with the operator, none."""
    sets = charts.of_kind(charts.rendered(path), "StatefulSet")
    return [found for found in sets if found["metadata"]["labels"]["app.kubernetes.io/component"] == "worker"]


def has_models(template):
    mounts = template["spec"]["containers"][0]["volumeMounts"]
    return any(mount["mountPath"] == "/models" and not mount.get("readOnly") for mount in mounts)


KINDS = [path for path in charts.VALUES if workers(path)]
KEEPING = [path for path in KINDS if has_models(workers(path)[0]["spec"]["template"])]


@pytest.fixture(params=KEEPING, ids=lambda path: path.stem)
def both(request):
    """A job, and the template that it is made of."""
    template = workers(request.param)[0]["spec"]["template"]
    return jobs.job_of(submission(), template), template


def test_there_are_releases_of_both_kinds():
    assert len(KEEPING) > 3
    assert len(KEEPING) < len(KINDS)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(both, version):
    kubernetes_validate.validate(both[0], version, strict=True)


def test_its_pods_are_as_the_workers_are(both):
    """J1."""
    job, template = both
    pod, worker = job["spec"]["template"]["spec"], template["spec"]["containers"][0]
    [container] = pod["containers"]
    same = ("serviceAccountName", "automountServiceAccountToken", "securityContext", "volumes", "imagePullSecrets",
            "nodeSelector", "tolerations", "affinity", "initContainers")  # fmt: skip
    for key in same:
        assert pod.get(key) == template["spec"].get(key), key
    for key in ("image", "imagePullPolicy", "securityContext", "envFrom", "volumeMounts"):
        assert container.get(key) == worker.get(key), key
    assert not container.keys() & {"ports", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe"}
    assert "nvidia.com/gpu" not in str(container["resources"])
    own, theirs = charts.environment(container), charts.environment(worker)
    assert own == {name: value for name, value in theirs.items() if "resourceFieldRef" not in value}
    assert "DASK_SCHEDULER_ADDRESS" in own


def test_what_cannot_keep_a_model_gets_no_job():
    refused = [path for path in KINDS if path not in KEEPING]
    for path in refused:
        with pytest.raises(ClusterError, match="/models"):
            jobs.job_of(submission(), workers(path)[0]["spec"]["template"])


def template_of(values):
    return charts.only(charts.render(values), "StatefulSet", "-worker")["spec"]["template"]


def test_a_dead_pod_is_replaced_and_a_hopeless_one_is_not():
    """J2 and J3."""
    job = jobs.job_of(submission(), template_of(SHARED))
    spec = job["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # failure policies take no other
    assert spec["backoffLimit"] > 0
    [disrupted, hopeless] = spec["podFailurePolicy"]["rules"]
    assert (disrupted["action"], disrupted["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    codes = hopeless["onExitCodes"]
    assert hopeless["action"] == "FailJob"
    assert codes["containerName"] == spec["template"]["spec"]["containers"][0]["name"]
    assert (codes["operator"], {1, 2} <= set(codes["values"])) == ("In", True)
    assert not {TRY_AGAIN, 137, 143} & set(codes["values"])
    command = spec["template"]["spec"]["containers"][0]["args"]
    assert command[command.index("--checkpoint") + 1].startswith("/checkpoints/")
    without = {"storage": {**SHARED["storage"], "checkpoints": {"enabled": False}}}
    assert "--checkpoint" not in str(jobs.job_of(submission(), template_of(without)))


def expanded(word):
    """As Kubernetes expands an argument: $(NAME) by the environment, and $$ into $."""
    return re.sub(r"\$\$|\$\((\w+)\)", lambda found: "$" if found[0] == "$$" else f"<{found[1]}>", word)


def test_words_arrive_as_they_were_written():
    """J4."""
    args = jobs.job_of(submission(), template_of(SHARED))["spec"]["template"]["spec"]["containers"][0]["args"]
    told = [expanded(word) for word in args]
    assert tuple(told[told.index("--") + 1 :][: len(LINE)]) == LINE
    assert [expanded(word) for word in LINE] != list(LINE)  # as they would not, if nothing was done


@pytest.mark.parametrize("release", ["ramet", "a", "a-name-of-fifty-three-characters-which-is-the-most-we"])
def test_names_fit(release):
    for called in ("train", "x" * 20):
        names = {jobs.new_name(release, called) for _ in range(50)}
        assert len(names) == 50
        # Kubernetes puts six characters behind the name for a pod, and a pod's name is a label.
        assert all(re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= 57 for name in names)


def peers(objects, labels):
    """The ports at which policies let a pod with `labels` in, by the component of who asks."""
    found = {}
    for policy in charts.of_kind(objects, "NetworkPolicy"):
        if charts.matches(policy["spec"]["podSelector"], labels):
            for rule in policy["spec"].get("ingress", []):
                for peer in rule["from"]:
                    component = peer["podSelector"]["matchLabels"].get("app.kubernetes.io/component")
                    found.setdefault(component, set()).update(port["port"] for port in rule["ports"])
    return found


def test_policies_let_it_reach_the_scheduler_and_nobody_reach_it():
    objects = charts.render(SHARED)
    template = charts.only(objects, "StatefulSet", "-worker")["spec"]["template"]
    job = jobs.job_of(submission(), template)
    labels = job["spec"]["template"]["metadata"]["labels"]
    scheduler = charts.pod(objects, "scheduler")
    assert 8786 in peers(objects, scheduler.labels)[labels["app.kubernetes.io/component"]]
    assert peers(objects, labels) == {}
    for found in objects:  # it is no worker: no Service leads to it, no StatefulSet and no budget counts it
        selector = found.get("spec", {}).get("selector")
        if selector and found["kind"] != "NetworkPolicy":
            assert not charts.matches(selector if "matchLabels" in selector else {"matchLabels": selector}, labels)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("node", ["", "node-1"])
@pytest.mark.parametrize("gpus", [0, 1])
def test_the_doctors_pods_are_known_and_let_in(version, node, gpus):
    setting = Setting("ramet/ramet:1", pull_secrets=[{"name": "registry"}], release=charts.RELEASE)
    job = check_of("ramet-check-1", setting, ["serve", str(PORT)], node, gpus)
    kubernetes_validate.validate(job, version, strict=True)
    spec = job["spec"]
    assert spec["ttlSecondsAfterFinished"] < 600 and spec["activeDeadlineSeconds"] < 600  # it goes by itself
    assert PORT in peers(charts.render(SHARED), spec["template"]["metadata"]["labels"])["check"]
