"""The flights example in a graph of the tests, its jobs wrapped so that they keep the journal."""

import pathlib
import subprocess
import sys

from support.graph import FIXTURES

EXAMPLE = pathlib.Path(__file__).resolve().parents[3] / "examples" / "flights"
KINDS = ("raw", "delays", "weekly", "monthly", "yearly")


def example(kube, name):
    """One object of the example, as its YAML says."""
    items = kube.read_yaml(str(EXAMPLE / name))
    assert len(items) == 1, f"{name} holds {len(items)} objects"
    item = items[0]
    item["metadata"] = {"name": item["metadata"]["name"]}
    item.pop("status", None)
    return item


def apply_jobs(graph):
    """The example's DataJobs; each run notes start and end in the journal around its own work."""
    program = (FIXTURES / "job.py").read_text(encoding="utf-8")
    for kind in KINDS:
        item = example(graph.kube, f"jobs/{kind}.yaml")
        container = item["spec"]["template"]["spec"]["containers"][0]
        container["image"] = graph.image
        container["command"] = ["python3", "-c", program, "--", *container["command"]]
        graph.apply(item)
    graph.accepted(*KINDS)


def compare(graph, *options):
    """What expected.py says about the files on the graph's volume; disagreement is a failure."""
    command = [sys.executable, str(EXAMPLE / "expected.py"), "--root", graph.folder,
               "--data-set", str(EXAMPLE / "data" / "flights.csv.zip"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
