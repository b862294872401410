"""What every pod of the chart is held to."""

from __future__ import annotations

from charts import Object, environment, pods

SCHEDULER_PORT, WORKER_PORT = 8786, 8788
ENCRYPTED = {8786, 8788, 8789}


def test_pods_pass_the_restricted_pod_security_standard(objects: list[Object]) -> None:
    for pod in pods(objects):
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()
        security = pod.spec["securityContext"]
        assert security["runAsNonRoot"] is True and security.get("runAsUser", 1) > 0, pod.owner
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, (pod.owner, container["name"])
            assert not any("hostPort" in port for port in container.get("ports", []))
        kinds = {next(key for key in volume if key != "name") for volume in pod.spec.get("volumes", [])}
        assert kinds <= {"emptyDir", "ephemeral", "secret", "persistentVolumeClaim", "nfs"}, pod.owner


def test_every_container_says_what_it_takes(objects: list[Object]) -> None:
    for pod in pods(objects):
        for container in pod.containers:
            for amounts in (container["resources"]["requests"], container["resources"]["limits"]):
                assert amounts["memory"] and amounts["cpu"], (pod.owner, container["name"])
                assert all(isinstance(amount, str) for amount in amounts.values()), "a DaskCluster takes no numbers"


def test_requests_do_not_exceed_limits(objects: list[Object]) -> None:
    units = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}

    def number(amount: object) -> float:
        text = str(amount)
        unit = next((unit for unit in units if text.endswith(unit)), "")
        return float(text.removesuffix(unit)) * units.get(unit, 1)

    for pod in pods(objects):
        for container in pod.containers:
            limits = container["resources"]["limits"]
            for name, amount in container["resources"]["requests"].items():
                assert number(amount) <= number(limits[name]), (pod.owner, container["name"], name)


def test_what_runs_on_is_probed(objects: list[Object]) -> None:
    for pod in pods(objects):
        if pod.component == "check":
            continue
        assert "startupProbe" in pod.main, pod.owner
        for container in pod.spec["containers"]:
            assert {"readinessProbe", "livenessProbe"} <= container.keys(), (pod.owner, container["name"])


def test_no_probe_knocks_at_an_encrypted_port(objects: list[Object]) -> None:
    """Each would be written down as a failed handshake, among which a real one would not be seen."""
    for pod in pods(objects):
        for container in pod.spec["containers"]:
            names = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                knocks = container.get(probe, {}).get("tcpSocket", {}).get("port")
                assert names.get(knocks, knocks) not in ENCRYPTED, (pod.owner, probe)


def test_every_mount_has_its_volume_and_every_volume_is_mounted(objects: list[Object]) -> None:
    for pod in pods(objects):
        volumes = [volume["name"] for volume in pod.spec.get("volumes", [])]
        assert len(volumes) == len(set(volumes)), pod.owner
        assert set(volumes) == {m["name"] for c in pod.containers for m in c.get("volumeMounts", [])}, pod.owner
        for container in pod.containers:
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            assert len(paths) == len(set(paths)), (pod.owner, container["name"])
            assert "/tmp" in paths or container["name"] in ("metrics", "wait"), (pod.owner, container["name"])


def test_names_within_a_pod_are_unique(objects: list[Object]) -> None:
    for pod in pods(objects):
        ports = [port["name"] for container in pod.containers for port in container.get("ports", [])]
        assert len(ports) == len(set(ports)) and all(len(port) <= 15 for port in ports), pod.owner
        for container in pod.containers:
            names = [entry["name"] for entry in container.get("env", [])]
            assert len(names) == len(set(names)), (pod.owner, container["name"])


def test_only_the_notebook_may_speak_to_kubernetes(objects: list[Object]) -> None:
    for pod in pods(objects):
        assert pod.spec["automountServiceAccountToken"] is (pod.component == "notebook"), pod.owner
        assert pod.spec["enableServiceLinks"] is False, "a Service's variables could be taken for settings"


def test_the_http_servers_of_dask_listen_on_loopback_alone(objects: list[Object]) -> None:
    addresses = [
        argument.split("=")[1].split(":")[0]
        for pod in pods(objects)
        for argument in pod.main.get("args", [])
        if argument.startswith("--dashboard-address=")
    ]
    assert addresses == ["127.0.0.1"] * 2  # scheduler and worker


def test_variables_that_arguments_use_are_defined(objects: list[Object]) -> None:
    given_by_the_operator = {"DASK_WORKER_NAME"}
    for pod in pods(objects):
        for container in pod.containers:
            used = {part.split(")")[0] for text in container.get("args", []) for part in text.split("$(")[1:]}
            if container["name"] in ("scheduler", "worker"):
                assert used <= environment(container).keys() | given_by_the_operator, pod.owner


def test_members_and_clients_agree_on_how_they_speak(objects: list[Object]) -> None:
    addresses, settings = set(), set()
    for pod in pods(objects):
        variables = environment(pod.main)
        addresses.add(variables["DASK_SCHEDULER_ADDRESS"])
        settings.add(tuple(sorted((n, v) for n, v in variables.items() if n.startswith("DASK_DISTRIBUTED__COMM"))))
        encrypted = variables["DASK_SCHEDULER_ADDRESS"].startswith("tls://")
        assert encrypted == (variables.get("DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION") == "True"), pod.owner
        if pod.component == "scheduler":
            assert f"--protocol={'tls' if encrypted else 'tcp'}" in pod.main["args"]
        if encrypted:
            mounts = {mount["mountPath"]: mount for mount in pod.main["volumeMounts"]}
            assert mounts["/etc/ramet/tls"]["readOnly"] is True
    assert len(addresses) == 1 and len(settings) == 1


def test_a_worker_has_time_to_hand_over(objects: list[Object]) -> None:
    for pod in pods(objects):
        if pod.component == "worker":
            assert "ramet.cluster.retire" in pod.main["lifecycle"]["preStop"]["exec"]["command"][-1]
            assert pod.spec["terminationGracePeriodSeconds"] > 60  # what handing over may take


def test_a_worker_takes_the_memory_and_threads_of_its_limits(objects: list[Object]) -> None:
    for pod in pods(objects):
        if pod.component == "worker":
            for variable, resource in (("WORKER_MEMORY", "limits.memory"), ("WORKER_THREADS", "limits.cpu")):
                source = environment(pod.main)[variable]["resourceFieldRef"]
                assert source == {"containerName": pod.main["name"], "resource": resource, "divisor": "1"}
            assert "--memory-limit=$(WORKER_MEMORY)" in pod.main["args"]
