"""The chart as its checks see it: helm, what it renders, and a report that counts."""

import os
import pathlib
import shlex
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "crds"))

from kubectl import to_json  # noqa: E402  (the path above comes first)

CHART = ROOT / "helm" / "databuild"
HELM = shlex.split(os.environ.get("HELM", "helm"))
OWN = "databuild-system"
LEAST_KUBE_VERSION = "1.31.0"


class Report:
    """Counts what was checked and remembers what failed."""

    def __init__(self):
        self.checks = 0
        self.failures = []

    def expect(self, holds, message):
        self.checks += 1
        if not holds:
            self.failures.append(message)


def helm(*args):
    """Runs helm; returns (exit code, stdout, stderr)."""
    done = subprocess.run([*HELM, *args], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def render(*flags):
    """The release as a list of objects."""
    code, out, err = helm("template", "databuild", str(CHART), "--namespace", OWN, "--kube-version",
                          LEAST_KUBE_VERSION, *flags)
    if code != 0:
        raise ValueError(f"helm template {' '.join(flags)}: {err.strip()}")
    return to_json(out)


def ci_files():
    return sorted((CHART / "ci").glob("*-values.yaml"))


def of_kind(objects, *kinds):
    return [value for value in objects if value["kind"] in kinds]


def pods_of(objects):
    """(name, pod spec) of everything that makes a pod."""
    for value in objects:
        name = f"{value['kind']}/{value['metadata']['name']}"
        if value["kind"] == "Pod":
            yield name, value["spec"]
        elif value["kind"] in ("Deployment", "StatefulSet"):
            yield name, value["spec"]["template"]["spec"]
