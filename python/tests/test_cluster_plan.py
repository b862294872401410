"""What `ramet cluster up` is going to do, from what is wished and what was found."""

import pytest
from kubernetes_objects import claim, node, storage_class
from ramet.cluster.errors import ClusterError
from ramet.cluster.plan import Wishes, as_scaled, changes, image_parts, plan
from ramet.cluster.survey import FOLDERS, Findings, can_share, takes_pods

SHARED = storage_class("files", "efs.csi.aws.com")
DISKS = storage_class("disks", "ebs.csi.aws.com", default=True)
UNKNOWN = storage_class("other", "example.com/new", default=True)
TWO = [node("a"), node("b")]
GPUS = [node("a", nvidia_com_gpu="4"), node("b", nvidia_com_gpu="4"), node("c")]


def values(findings, current=None, **wishes):
    return plan(Wishes(**wishes), findings, current).values


def found(nodes=TWO, classes=(UNKNOWN,), **more):
    return Findings(nodes=list(nodes), classes=list(classes), **more)


def test_a_second_up_changes_nothing_and_leaves_the_workers_as_scaled():
    first = values(found(), workers=3, memory="8Gi", notebook=True)
    assert values(found(workers=3), first) == first
    scaled = values(found(workers=5), first)
    assert scaled["worker"].pop("replicas") == 5 and first["worker"].pop("replicas") == 3
    assert scaled == first
    assert values(found(workers=5), scaled, workers=2)["worker"]["replicas"] == 2


def test_an_installed_manifest_is_compared_as_it_was_scaled():
    installed = [item("StatefulSet", "w", spec={"replicas": 2}), item("Service", "s", spec={})]
    assert [thing["spec"] for thing in as_scaled(installed, 5)] == [{"replicas": 5}, {}]
    assert as_scaled(installed, None) == installed and installed[0]["spec"] == {"replicas": 2}


def test_only_what_is_said_changes():
    current = values(found(), workers=3, memory="8Gi", image="me/mine:1")
    changed = values(found(), current, memory="16Gi")
    assert changed["worker"]["resources"]["limits"]["memory"] == "16Gi"
    assert changed["image"] == current["image"] and changed["storage"] == current["storage"]
    assert current["worker"]["resources"]["limits"]["memory"] == "8Gi"  # the caller's is not touched


@pytest.mark.parametrize(
    ("nodes", "wishes", "workers", "gpus"),
    [
        (TWO, {}, 2, 0),
        (GPUS, {}, 8, 1),
        (GPUS, {"gpus_per_worker": 2}, 4, 2),
        (GPUS, {"gpus_per_worker": 0}, 2, 0),
        (GPUS, {"workers": 5}, 5, 1),
        (GPUS, {"gpus_per_worker": 16}, 1, 16),
        (TWO, {"gpus_per_worker": 1, "workers": 6}, 6, 1),
        (None, {}, 2, 0),
    ],
)
def test_workers_and_gpus(nodes, wishes, workers, gpus):
    findings = Findings(nodes=None if nodes is None else list(nodes), classes=[UNKNOWN])
    worker = values(findings, **wishes)["worker"]
    assert (worker["replicas"], worker["gpus"]) == (workers, gpus)


def test_memory_and_processors_are_asked_for_and_granted_alike():
    resources = values(found(), memory="8Gi", cpus="4")["worker"]["resources"]
    assert resources == {"requests": {"memory": "8Gi", "cpu": "4"}, "limits": {"memory": "8Gi", "cpu": "4"}}


@pytest.mark.parametrize(
    ("nodes", "classes", "wishes", "name", "mode", "one_node"),
    [
        (TWO, [UNKNOWN], {}, "other", "ReadWriteMany", False),
        (TWO, [DISKS, SHARED], {}, "files", "ReadWriteMany", False),
        (TWO, [SHARED], {}, "files", "ReadWriteMany", False),
        (TWO, [DISKS, SHARED], {"storage_class": "files"}, "files", "ReadWriteMany", False),
        (TWO, [DISKS], {"one_node": True}, "disks", "ReadWriteOnce", True),
        (TWO[:1], [DISKS], {}, "disks", "ReadWriteOnce", True),
        (TWO[:1], [SHARED], {}, "files", "ReadWriteMany", False),
        (TWO, [DISKS, SHARED], {"one_node": True}, "disks", "ReadWriteOnce", True),
    ],
)
def test_the_storage_class_is_found(nodes, classes, wishes, name, mode, one_node):
    storage = values(found(nodes, classes), **wishes)["storage"]
    assert storage["oneNode"] is one_node
    for folder in FOLDERS:
        assert storage[folder] == {"enabled": True, "accessMode": mode, "storageClass": name}


@pytest.mark.parametrize(
    ("classes", "wishes", "words"),
    [
        ([], {}, ["no storage class", "--nfs", "--no-storage"]),
        ([DISKS], {}, ["disks", "one node at a time", "--storage-class", "--one-node"]),
        ([DISKS, SHARED], {"storage_class": "disks"}, ["disks", "one node at a time"]),
        ([DISKS, SHARED], {"storage_class": "fast"}, ['"fast"', "disks, files"]),
        ([storage_class("x", "a/a"), storage_class("y", "b/b")], {}, ["no default", "x, y", "--storage-class"]),
        ([UNKNOWN], {"nfs": "server"}, ["--nfs", "SERVER:/PATH"]),
        ([UNKNOWN], {"nfs": "server:path"}, ["--nfs", "SERVER:/PATH"]),
    ],
)
def test_storage_that_cannot_be_is_refused(classes, wishes, words):
    with pytest.raises(ClusterError) as error:
        values(found(classes=classes), **wishes)
    for word in words:
        assert word in str(error.value)


def test_without_storage_and_with_nfs_no_class_is_needed():
    without = values(found(classes=[]), no_storage=True)["storage"]
    assert all(without[folder] == {"enabled": False} for folder in FOLDERS)
    nfs = values(found(classes=[]), nfs="10.0.0.7:/export/x")["storage"]
    assert all(nfs[folder]["nfs"] == {"server": "10.0.0.7", "path": "/export/x"} for folder in FOLDERS)


def test_where_classes_may_not_be_listed_the_default_is_believed_in():
    storage = values(Findings(nodes=None, classes=None))["storage"]
    assert storage["data"] == {"enabled": True, "accessMode": "ReadWriteMany", "storageClass": ""}


def test_claims_of_before_are_taken_as_they_are():
    kept = {folder: claim(f"ramet-{folder}", storage_class="old", phase="Bound") for folder in FOLDERS}
    kept["data"]["spec"]["accessModes"] = ["ReadWriteOnce"]
    storage = values(found(classes=[], claims=kept))["storage"]
    assert storage["models"] == {"enabled": True, "size": "7Gi", "accessMode": "ReadWriteMany", "storageClass": "old"}
    assert storage["data"]["accessMode"] == "ReadWriteOnce" and storage["oneNode"] is True


def test_a_claim_that_is_there_keeps_its_class():
    kept = {"data": claim("ramet-data", storage_class="old", phase="Bound")}
    storage = values(found(claims=kept))["storage"]
    assert (storage["data"]["storageClass"], storage["models"]["storageClass"]) == ("old", "other")
    with pytest.raises(ClusterError, match=r"claim ramet-data .* class old, .* changed to files.*--name"):
        values(found(classes=[SHARED], claims=kept), storage_class="files")
    assert values(found(claims=kept), nfs="a:/b")["storage"]["data"]["nfs"]["server"] == "a"


@pytest.mark.parametrize(
    ("image", "repository", "tag", "digest"),
    [
        ("ramet/ramet", "ramet/ramet", "", ""),
        ("ramet/ramet:0.1.0", "ramet/ramet", "0.1.0", ""),
        ("registry.local:5000/a/b:c", "registry.local:5000/a/b", "c", ""),
        ("registry.local:5000/a/b", "registry.local:5000/a/b", "", ""),
        ("a/b@sha256:0123", "a/b", "", "sha256:0123"),
        ("a/b:c@sha256:0123", "a/b", "c", "sha256:0123"),
    ],
)
def test_image_names(image, repository, tag, digest):
    assert image_parts(image) == {"repository": repository, "tag": tag, "digest": digest}


@pytest.mark.parametrize("image", ["", ":tag", "a b", "a/b:", "a/b@", "a/b:tag:tag"])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(ClusterError, match="--image"):
        image_parts(image)


@pytest.mark.parametrize(
    ("thing", "takes"),
    [
        (node(), True),
        (node(ready=False), False),
        (node(taints=({"key": "nvidia.com/gpu", "effect": "NoSchedule"},)), True),
        (node(taints=({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},)), False),
        (node(taints=({"key": "slow", "effect": "PreferNoSchedule"},)), True),
    ],
)
def test_which_nodes_take_pods(thing, takes):
    assert takes_pods(thing) is takes


def test_which_classes_can_be_shared():
    assert can_share(SHARED) is True and can_share(DISKS) is False and can_share(UNKNOWN) is None


# --- changes


def item(kind, name, **more):
    return {"kind": kind, "metadata": {"name": name}, **more}


def test_changes_name_what_differs_and_no_secret():
    before = [
        item("StatefulSet", "w", spec={"replicas": 2, "containers": [{"name": "worker", "image": "a:1"}]}),
        item("Secret", "s", data={"token": "b2xk"}),
        item("Service", "gone"),
        item("PersistentVolumeClaim", "d")
        | {"metadata": {"name": "d", "annotations": {"helm.sh/resource-policy": "keep"}}},
        item("Role", "same"),
    ]
    after = [
        item("StatefulSet", "w", spec={"replicas": 4, "containers": [{"name": "worker", "image": "a:2"}]}),
        item("Secret", "s", data={"token": "bmV3"}),
        item("Role", "same"),
        item("Service", "x"),
        item("Service", "y"),
    ]
    lines = changes(before, after)
    assert lines == [
        "+ Service x, y",
        "~ StatefulSet w: spec.replicas 2 → 4, spec.containers[worker].image a:1 → a:2",
        "~ Secret s: data.token",
        "- Service gone",
        "- PersistentVolumeClaim d (which stays, but is no longer used)",
    ]
    assert "b2xk" not in "".join(lines) and "bmV3" not in "".join(lines)
    assert changes(before, before) == []
