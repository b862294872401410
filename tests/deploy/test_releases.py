"""Two releases beside each other, and one that is upgraded."""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path

import pytest
from charts import CHART, NEWEST, Object, matches, of_kind, only, pod, pods, render, template

ALL: Object = {
    "notebook": {"enabled": True},
    "monitoring": {"enabled": True},
    "storage": {"data": {"enabled": True}, "models": {"enabled": True}, "checkpoints": {"enabled": True}},
}
GIVEN = {"tls": {"existingSecret": "given"}}  # so that nothing is made by chance
LONG = "a-release-with-a-name-that-is-far-too-long-for-"  # 47 characters; Helm takes 53


@pytest.mark.parametrize(
    ("first", "second"),
    [("ramet", "ramet-2"), ("ramet", "a"), ("a", "b"), ("team-ramet", "team"), (f"{LONG}x", f"{LONG}y")],
)
@pytest.mark.parametrize("operator", [False, True], ids=["chart", "operator"])
def test_two_releases_in_a_namespace_have_nothing_in_common(first: str, second: str, operator: bool) -> None:
    values = {**ALL, **({"operator": {"enabled": True}, "tls": {"enabled": False}} if operator else {})}
    names: list[Object] = [render(values, release=release) for release in (first, second)]
    kinds = [{(found["kind"], found["metadata"]["name"]) for found in objects} for objects in names]
    if (first, second) == ("team-ramet", "team"):  # the one pair that can't be told apart: Helm refuses the second
        assert kinds[0] == kinds[1]
        return
    assert not kinds[0] & kinds[1]
    for ours, theirs in itertools.permutations(names):
        for found in ours:
            spec = found.get("spec", {})
            selector = spec.get("podSelector") or spec.get("selector")
            if found["kind"] == "Service":
                selector = {"matchLabels": selector}
            if selector:
                assert not [made.owner for made in pods(theirs) if matches(selector, made.labels)], found["kind"]


@pytest.mark.parametrize("release", ["a", "ramet", "my-ramet-2", f"{LONG}x", "flights.example"])
def test_names_are_made_of_the_releases(release: str) -> None:
    result = template({}, release=release)
    if "." in release:
        assert result.returncode != 0 and "nameOverride" in result.stderr
        objects = render({"nameOverride": "flights"}, release=release)
        name = "flights"
    else:
        objects = render({}, release=release)
        name = release if "ramet" in release else f"{release}-ramet"
    made = only(objects, "StatefulSet", "-worker")["metadata"]["name"].removesuffix("-worker")
    assert len(made) <= 40 and re.fullmatch(r"[a-z][-a-z0-9]*[a-z0-9]", made)
    assert made == name or (len(name) > 40 and made.startswith(name[:30]))


def specs(objects: list[Object]) -> dict[str, Object]:
    """The pod templates by component: what differs in one of them is started anew."""
    owners = of_kind(objects, "Deployment") + of_kind(objects, "StatefulSet")
    return {owner["metadata"]["labels"]["app.kubernetes.io/component"]: owner["spec"]["template"] for owner in owners}


@pytest.mark.parametrize(
    ("change", "restarted"),
    [
        ({"worker": {"replicas": 7}}, set()),
        ({"storage": {**ALL["storage"], "data": {"enabled": True, "size": "900Gi"}}}, set()),
        ({"networkPolicy": {"enabled": False}}, set()),
        ({"scheduler": {"podDisruptionBudget": False}, "test": {"enabled": False}}, set()),
        ({"scheduler": {"service": {"port": 9786}}}, {"worker", "notebook"}),  # another address, the same scheduler
        ({"worker": {"gpus": 1}}, {"worker"}),
        ({"worker": {"extraEnv": [{"name": "A", "value": "b"}]}}, {"worker"}),
        ({"notebook": {"enabled": True, "gpus": 1}}, {"notebook"}),
        ({"objectStore": {"existingSecret": "s3"}}, {"worker", "notebook"}),
        ({"image": {"tag": "9.9.9"}}, {"scheduler", "worker", "notebook"}),
        ({"extraPipPackages": ["shap"]}, {"scheduler", "worker", "notebook"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_an_upgrade_starts_anew_what_has_changed_and_no_more(change: Object, restarted: set[str]) -> None:
    before, after = specs(render({**ALL, **GIVEN})), specs(render({**ALL, **GIVEN, **change}))
    if change.get("scheduler", {}).get("service"):
        before["scheduler"] = after["scheduler"] = {}
    assert {component for component in before if before[component] != after[component]} == restarted


def test_another_version_of_the_chart_alone_starts_nothing_anew(tmp_path: Path) -> None:
    newer = tmp_path / "ramet"
    shutil.copytree(CHART, newer)
    text = (newer / "Chart.yaml").read_text()
    (newer / "Chart.yaml").write_text(re.sub(r"^version: .*", "version: 9.9.9", text, flags=re.M))
    before, after = render({**ALL, **GIVEN}), render({**ALL, **GIVEN}, chart=newer)
    assert before != after, "the label helm.sh/chart"
    assert specs(before) == specs(after)


def test_rendering_twice_gives_the_same_but_for_what_is_secret() -> None:
    def plain(objects: list[Object]) -> list[Object]:
        for owner in specs(objects).values():
            owner["metadata"].pop("annotations", None)
        return [found for found in objects if found["kind"] != "Secret"]

    assert plain(render(ALL)) == plain(render(ALL))


def test_new_certificates_start_those_anew_who_hold_them() -> None:
    first, second = specs(render(ALL)), specs(render(ALL))
    assert {component for component in first if first[component] != second[component]} == {"scheduler", "worker"}


def test_two_schedulers_never_meet_and_workers_go_one_by_one() -> None:
    objects = render({})
    scheduler, worker = only(objects, "Deployment", "-scheduler"), only(objects, "StatefulSet", "-worker")
    assert scheduler["spec"]["replicas"] == 1 and scheduler["spec"]["strategy"] == {"type": "Recreate"}
    assert worker["spec"]["updateStrategy"] == {"type": "RollingUpdate"}, "a StatefulSet's goes from pod to pod"
    assert worker["spec"]["podManagementPolicy"] == "Parallel"
    budgets = {b["metadata"]["name"].rsplit("-")[-1]: b["spec"] for b in of_kind(objects, "PodDisruptionBudget")}
    assert budgets["scheduler"]["maxUnavailable"] == 0 and budgets["worker"]["maxUnavailable"] == 1


def test_who_scales_by_other_means_is_left_alone() -> None:
    assert "replicas" not in only(render({"worker": {"replicas": None}}), "StatefulSet", "-worker")["spec"]
    assert only(render({"worker": {"replicas": 0}}), "StatefulSet", "-worker")["spec"]["replicas"] == 0


def test_kubernetes_that_is_too_old_is_refused_by_its_version() -> None:
    result = template({}, version="1.26")
    assert result.returncode != 0 and ">=1.27.0" in result.stderr and "v1.26.0" in result.stderr
    assert pod(render({}, version=NEWEST), "scheduler")
