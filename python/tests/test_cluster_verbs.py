"""The command lines of `ramet cluster`, and what is refused before any cluster is asked."""

import json
import os
import subprocess
import sys

import pytest
from ramet.cluster.parsing import bytes_of, count, port, processors, quantity

VERBS = ("up", "status", "scale", "logs", "dashboard", "notebook", "down")
SECONDS = 60


def ramet(*arguments, **environment):
    command = [sys.executable, "-m", "ramet", *arguments]
    given = {**os.environ, "KUBECONFIG": "/nowhere/config", **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=given, check=False)


@pytest.mark.parametrize("verb", [(), *((verb,) for verb in VERBS)])
def test_help_begins_with_an_example_and_goes_to_standard_output(verb):
    done = ramet("cluster", *verb, "--help")
    assert done.returncode == 0 and not done.stderr
    assert done.stdout.startswith("Example\n  ramet cluster ")
    assert "Usage: ramet cluster" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 104


def test_the_help_lists_every_verb_and_the_engines_help_this_one():
    text = ramet("cluster", "--help").stdout
    assert all(f"\n  {verb} " in text for verb in VERBS)
    assert "\n  cluster " in ramet("--help").stdout


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", ["verb is missing", *VERBS]),
        ("grow", ['no verb "grow"', *VERBS]),
        ("scale", ["N"]),
        ("scale two", ["N", '"two"']),
        ("scale -3", ["-3"]),
        ("up --workers 1e3", ["--workers", '"1e3"']),
        ("up --memory lots", ["--memory", '"lots"', "8Gi"]),
        ("up --memory 0", ["--memory", '"0"']),
        ("up --cpus 4Gi", ["--cpus", '"4Gi"']),
        ("up --work 3", ["--work"]),
        ("up --nfs a:/b --no-storage", ["--no-storage", "--nfs"]),
        ("down --keep", ["--keep"]),
        ("dashboard --port 70000", ["--port", '"70000"']),
        ("logs worker scheduler", ["scheduler"]),
    ],
)
def test_wrong_command_lines_are_usage_errors(line, words):
    done = ramet("cluster", *line.split())
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("ramet: ") and "--help`." in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("verb", [*(verb for verb in VERBS if verb != "scale"), "scale 3"])
def test_without_a_cluster_every_verb_says_what_to_do(verb):
    done = ramet("cluster", *verb.split())
    assert done.returncode == 1 and not done.stdout
    assert "/nowhere/config does not exist" in done.stderr and "Set KUBECONFIG" in done.stderr


KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "here",
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
    "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "trees"}}],
}
LOGIN = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-login"}}


@pytest.mark.parametrize(
    ("config", "flags", "words"),
    [
        (KUBECONFIG, (), ["https://127.0.0.1:9", "VPN", "--context"]),
        (KUBECONFIG, ("--context", "there"), ['no context "there"', "get-contexts"]),
        (KUBECONFIG | {"users": [{"name": "u", "user": LOGIN}]}, (), ["no-such-login", "Install"]),
        ("{", (), ["config", "Mend"]),
        (KUBECONFIG | {"clusters": []}, (), ["config", "Mend"]),
    ],
)
def test_what_is_wrong_with_a_kubeconfig_is_said(tmp_path, config, flags, words):
    file = tmp_path / "config"
    file.write_text(config if isinstance(config, str) else json.dumps(config))  # JSON is YAML
    done = ramet("cluster", "status", *flags, KUBECONFIG=str(file))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_without_helm_up_says_where_it_comes_from(tmp_path):
    from ramet.cluster.errors import ClusterError
    from ramet.cluster.releases import Helm

    class Anywhere:
        namespace, context = "trees", "here"

    path, os.environ["PATH"] = os.environ["PATH"], str(tmp_path)
    try:
        with pytest.raises(ClusterError, match=r"not on the PATH.*https://helm.sh"):
            Helm(Anywhere())
        (tmp_path / "helm").write_text("#!/bin/sh\necho v3.9.0\n")
        (tmp_path / "helm").chmod(0o755)
        with pytest.raises(ClusterError, match=r"v3\.9\.0.*too old"):
            Helm(Anywhere())
    finally:
        os.environ["PATH"] = path


@pytest.mark.parametrize(
    ("text", "read", "size"),
    [
        ("8Gi", "8Gi", 8 * 2**30),
        ("8 GB", "8G", 8e9),
        ("8GiB", "8Gi", 8 * 2**30),
        ("1.5g", "1.5G", 1.5e9),
        ("512m", "512M", 512e6),
        ("4k", "4k", 4e3),
        ("1024", "1024", 1024),
    ],
)
def test_sizes(text, read, size):
    assert quantity(text) == read and bytes_of(read) == size


@pytest.mark.parametrize(("kind", "text"), [(count, "7"), (port, "65535"), (processors, "500m"), (processors, "0.5")])
def test_numbers(kind, text):
    assert str(kind(text)) == text


@pytest.mark.parametrize(
    ("amount", "number"), [("500m", 0.5), ("2", 2), ("16374512Ki", 16374512 * 1024), ("1e3", 1000), ("2Ti", 2 * 2**40)]
)
def test_amounts_as_nodes_tell_them(amount, number):
    assert bytes_of(amount) == number
