"""One namespace of the cluster = one graph: its volume, its DataJobs, Wants and Taints."""

import json
import os
import pathlib

from support.answers import differences
from support.event_log import EventLog
from support.journal import Journal, overlaps
from support.kube import GROUP
from support.waiting import eventually

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
CLAIM = "flights-data"


def condition(item, kind):
    for found in (item or {}).get("status", {}).get("conditions", []):
        if found["type"] == kind:
            return found
    return {"status": "absent", "reason": "", "message": ""}


def data_job(name, output, inputs=(), options=(), image=None, **spec):
    """A DataJob that runs fixtures/job.py; inputs are refs, or (ref, type) pairs."""
    pairs = [(item, "Materialize") if isinstance(item, str) else item for item in inputs]
    program = (FIXTURES / "job.py").read_text(encoding="utf-8")
    outputs = [output] if isinstance(output, str) else list(output)
    return {
        "apiVersion": GROUP, "kind": "DataJob", "metadata": {"name": name},
        "spec": {
            "outputs": outputs,
            "inputs": [{"partition": ref, "type": kind} for ref, kind in pairs],
            "retry": {"limit": 0, "backoff": "1s", "maxBackoff": "2s"},
            "template": {"spec": {
                "containers": [{
                    "name": "job", "image": image,
                    "command": ["python3", "-c", program, *options],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}}]}},
            **spec}}


def want(name, *partitions, **spec):
    body = dict(spec)
    if partitions:
        body["partitions"] = list(partitions)
    return {"apiVersion": GROUP, "kind": "Want", "metadata": {"name": name}, "spec": body}


def taint(name, *partitions, **spec):
    return {"apiVersion": GROUP, "kind": "Taint", "metadata": {"name": name},
            "spec": {"partitions": list(partitions), **spec}}


class Graph:
    def __init__(self, kube, operator, namespace, image):
        self.kube, self.operator, self.name, self.image = kube, operator, namespace, image
        self.folder = None
        self.touched = False  # whether it ever held an object of ours, and so has a log

    # -- making and removing --------------------------------------------------------------------

    def open(self, claim=True):
        labels = {"pod-security.kubernetes.io/enforce": "restricted", "e2e": "databuild"}
        self.kube.create({"apiVersion": "v1", "kind": "Namespace",
                          "metadata": {"name": self.name, "labels": labels}})
        if claim:
            self._claim()
        return self

    def _claim(self):
        self.kube.create({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM},
            "spec": {"accessModes": ["ReadWriteOnce"],
                     "resources": {"requests": {"storage": "1Gi"}}}}, self.name)
        claim = self.kube.wait_for(("PersistentVolumeClaim", self.name, CLAIM), "is bound",
                                   lambda found: found["status"].get("phase") == "Bound")
        volume = self.kube.get("PersistentVolume", None, claim["spec"]["volumeName"])
        self.folder = volume["spec"]["local"]["path"]  # the tests run on the node itself

    def leave(self):
        """Deletes the namespace, without waiting."""
        self.kube.delete("Namespace", None, self.name)

    def wait_gone(self, seconds=120):
        self.kube.wait_for(("Namespace", None, self.name), "is gone", lambda found: found is None,
                           seconds)

    # -- objects --------------------------------------------------------------------------------

    def apply(self, *items):
        """Creates the objects; answers the last one as stored."""
        stored, self.touched = None, True
        for item in items:
            stored = self.kube.create(item, self.name)
        return stored

    def job(self, name, output, inputs=(), options=(), **spec):
        item = data_job(name, output, inputs, options, image=self.image, **spec)
        return self.apply(item)

    def accepted(self, *names, seconds=30):
        for name in names:
            self.kube.wait_for(("DataJob", self.name, name), "is accepted",
                               lambda found: condition(found, "Accepted")["status"] == "True",
                               seconds)

    def want(self, name, *partitions, **spec):
        return self.apply(want(name, *partitions, **spec))

    def taint(self, name, *partitions, **spec):
        return self.apply(taint(name, *partitions, **spec))

    def get(self, kind, name):
        return self.kube.get(kind, self.name, name)

    def condition(self, kind, name, which):
        return condition(self.get(kind, name), which)

    def wait(self, kind, name, which, status="True", reason=None, seconds=90):
        """Waits for a condition with this status, and this reason when one is given."""
        def accept(found):
            now = condition(found, which)
            return now["status"] == status and reason in (None, now["reason"])

        what = f"has {which}={status}" + (f" because {reason}" if reason else "")
        return self.kube.wait_for((kind, self.name, name), what, accept, seconds)

    def ready(self, name, seconds=90):
        return self.wait("Want", name, "Ready", seconds=seconds)

    # -- the log and the journal ----------------------------------------------------------------

    def api(self):
        return self.operator.api().graph(self.name)

    def log(self):
        """The graph's event log so far, judged; a problem in it is a failure."""
        log = EventLog(self.api().events())
        assert not log.problems, "\n".join(log.problems[:20])
        return log

    def settled_log(self, seconds=60):
        """The log once nothing is under way any more, judged to its end; the API agrees with it."""
        def look():
            log = self.log()
            problems = log.check_end(quiet=True)
            assert not problems, "\n".join(problems[:20])
            return log

        log = eventually(f"the log of {self.name} comes to rest", look, seconds, every=0.5)
        wrong = differences(self.api())
        assert not wrong, "\n".join(wrong[:20])
        return log

    def journal(self):
        return Journal(os.path.join(self.folder, "journal.jsonl"))

    def assert_built_once(self, count):
        """So many partitions are there, each made by one run that started one container."""
        log, journal = self.settled_log(), self.journal()
        assert len(log.available()) == count, f"{len(log.available())} partitions in place of {count}"
        for ref in log.available():
            states, starts = [run.state for run in log.runs_of(ref)], len(journal.starts(ref))
            assert (states, starts) == (["COMPLETED"], 1), f"{ref}: runs {states}, {starts} starts"
        self.assert_no_overlap()

    def assert_no_overlap(self):
        found = overlaps(self.journal().lines())
        assert not found, "\n".join(found[:20])

    def file(self, ref):
        """What fixtures/job.py wrote for a ref, or None."""
        try:
            with open(os.path.join(self.folder, ref + ".json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    # -- when a test has failed -----------------------------------------------------------------

    def dump(self, folder):
        """Everything a reader needs to understand what happened, as files."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "operator.log", self.operator.logs)
        _write(folder / "events.jsonl", lambda: "".join(
            json.dumps(event) + "\n" for event in self.api().events()))
        for kinds in ("wants", "taints", "datajobs", "jobs", "pods"):
            _write(folder / f"{kinds}.txt", lambda kinds=kinds: self.kube.kubectl(
                "-n", self.name, "describe", kinds))
        _write(folder / "kubernetes-events.txt", lambda: self.kube.kubectl(
            "-n", self.name, "get", "events", "--sort-by=.lastTimestamp"))
        if self.folder:
            _write(folder / "journal.jsonl", lambda: "".join(
                json.dumps(line) + "\n" for line in self.journal().lines()))


def _write(path, produce):
    """A dump must not hide the failure it describes: what cannot be had is noted in its place."""
    try:
        text = produce()
    except Exception as error:  # noqa: BLE001
        text = f"not to be had: {error}\n"
    path.write_text(text, encoding="utf-8")
