"""Fake nodes on which pods of jobs succeed at once: kwok with the Stages of kwok/stages.yaml."""

import pathlib
import subprocess
import tempfile

from support.waiting import eventually

HERE = pathlib.Path(__file__).resolve().parents[1]
LABEL = "databuild.test/fake"
POD = {"nodeSelector": {LABEL: "yes"},
       "tolerations": [{"key": LABEL, "operator": "Exists", "effect": "NoSchedule"}]}
# Stock rates of the controller manager would be what is measured.
RATES = ["--kube-api-qps=400", "--kube-api-burst=800", "--concurrent-job-syncs=50"]


def program():
    """kwok, built from its module once (which needs the network outside the cluster)."""
    done = subprocess.run([str(HERE / "cluster" / "tools"), "dir", "kwok"], check=True,
                          stdout=subprocess.PIPE, text=True, timeout=1800)
    return f"{done.stdout.strip()}/kwok"


class FakeNodes:
    def __init__(self, kube, count=5):
        self.kube, self.names = kube, [f"fake-{number}" for number in range(count)]
        self.log = tempfile.NamedTemporaryFile(prefix="databuild-e2e-kwok-")
        self.process = subprocess.Popen(
            [program(), f"--kubeconfig={kube.kubeconfig}", f"--config={HERE}/kwok/stages.yaml",
             f"--manage-nodes-with-label-selector={LABEL}=yes",
             "--node-lease-duration-seconds=40"], stdout=self.log, stderr=self.log)
        for name in self.names:
            self.kube.create({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": name, "labels": {LABEL: "yes"}},
                "spec": {"taints": [{"key": LABEL, "effect": "NoSchedule"}]}})
        eventually("the fake nodes are ready", self._ready, 60)

    def _ready(self):
        nodes = self.kube.list("Node", labels=f"{LABEL}=yes")
        states = [c["status"] for node in nodes for c in node["status"].get("conditions", [])
                  if c["type"] == "Ready"]
        return states == ["True"] * len(self.names)

    def close(self):
        for name in self.names:
            self.kube.delete("Node", None, name)
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
