"""What tests with an operator process of their own share: CRDs, a Postgres, worlds of one graph."""

import pathlib
import random
import shutil
import unittest

from support.api_proxy import ApiProxy
from support.event_log import EventLog
from support.fault_plan import FaultPlan
from support.graph import condition, want
from support.kube import GROUP
from support.local_operator import LocalOperator
from support.postgres import Postgres, PostgresProxy
from support.session import Session
from support.waiting import eventually

CRDS = pathlib.Path(__file__).resolve().parents[3] / "crds"
SLEEPER = "databuild.test/busybox:1"


def make_crds(kube):
    """Brings those that are not there; answers their names. A chart's stay as they are."""
    made = []
    for file in sorted(CRDS.glob("*.yaml")):
        plural = file.stem + "s.databuild.dev"
        if kube.kubectl_result("get", "crd", plural).returncode != 0:
            kube.kubectl("create", "-f", str(file))
            # kubectl wait gives up on one that has no conditions yet.
            kube.wait_for(("CustomResourceDefinition", None, plural), "is established", established, 30)
            made.append(plural)
    return made


def established(crd):
    conditions = (crd or {}).get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def remove_crds(kube, names):
    """A chart that is installed later wants to bring its own."""
    if names:
        kube.kubectl("delete", "crd", *names, "--timeout=100s", seconds=120)


def quick_job(name, output, inputs=(), seconds="0", pod=None, **spec):
    """A DataJob without a volume: it sleeps and succeeds. pod: more fields of the pod's spec."""
    return {
        "apiVersion": GROUP, "kind": "DataJob", "metadata": {"name": name},
        "spec": {
            "outputs": [output],
            "inputs": [{"partition": ref, "type": "Materialize"} for ref in inputs],
            "retry": {"limit": 2, "backoff": "1s", "maxBackoff": "1s"},
            "template": {"spec": {"containers": [
                {"name": "job", "image": SLEEPER, "command": ["sleep", seconds]}],
                **(pod or {})}},
            **spec}}


class World:
    """A namespace, an operator for it alone, and the proxies between it and the rest.

    plan: a FaultPlan; its victim is this world's operator.
    """

    def __init__(self, session, postgres, name, plan=None, settings=None):
        self.session, self.kube = session, session.kube
        self.name = f"{name}-{random.SystemRandom().randrange(16**6):06x}"
        self.postgres = postgres
        self.operators = []
        self.operator = self.add_operator(self.name, plan, settings)
        self.plan, self.proxy = self.operator.plan, self.operator.proxy
        self.plan.die = self.operator.restart
        self.kube.create({"apiVersion": "v1", "kind": "Namespace",
                          "metadata": {"name": self.name, "labels": {"e2e": "databuild"}}})
        self.kube.wait_for(("ServiceAccount", self.name, "default"), "is there", bool)

    def add_operator(self, name, plan=None, settings=None):
        """One more operator of the same graph, log and lease, with a name and proxies of its own."""
        plan = plan or FaultPlan()
        proxy, log_proxy = ApiProxy(self.kube, plan), PostgresProxy(self.postgres, plan)
        operator = LocalOperator(self.session.build, name, {
            "watchNamespaces": [self.name], "bel": {"uri": log_proxy.uri},
            "jobs": {"keepFinishedFor": "1s", "wrapperImage": self.session.image},
            "clusterId": "faults", **(settings or {})})
        operator.settings["lease"]["name"] = self.name
        operator.point_at(proxy.url)
        operator.plan, operator.proxy, operator.log_proxy = plan, proxy, log_proxy
        self.operators.append(operator)
        return operator

    # -- objects --------------------------------------------------------------------------------

    def apply(self, *items):
        stored = None
        for item in items:
            stored = self.kube.create(item, self.name)
        return stored

    def want(self, name, *refs, **spec):
        return self.apply(want(name, *refs, **spec))

    def wait(self, kind, name, which, status="True", seconds=60):
        return self.kube.wait_for(
            (kind, self.name, name), f"has {which}={status}",
            lambda found: condition(found, which)["status"] == status, seconds)

    def jobs(self):
        return self.kube.list("Job", self.name)

    # -- the log --------------------------------------------------------------------------------

    def api(self):
        return self.operator.graph(self.name)

    def log(self):
        log = EventLog(self.api().events())
        assert not log.problems, "\n".join(log.problems[:20])
        return log

    def settled(self, seconds=60):
        """The events once nothing is under way and the Jobs of ended runs are removed."""
        def look():
            events = self.api().events()
            problems = EventLog(events).check_end(quiet=True)
            assert not problems, "\n".join(problems[:20])
            assert not self.jobs(), "Jobs are still there"
            return events

        return eventually(f"the graph {self.name} comes to rest", look, seconds, every=0.2)

    # -- the end --------------------------------------------------------------------------------

    def dump(self, folder):
        folder = pathlib.Path(folder, self.name)
        folder.mkdir(parents=True, exist_ok=True)
        for operator in self.operators:
            shutil.copy(f"{operator.folder}/log", folder / f"{operator.name}.log")
            (folder / f"{operator.name}-writes.txt").write_text("".join(
                f"{write.what} {write.target} {write.code}\n" for write in operator.plan.writes))

    def close(self):
        for operator in self.operators:
            operator.close()
            operator.proxy.stop()
            operator.log_proxy.stop()
        self.kube.delete("Namespace", None, self.name)


class AloneTest(unittest.TestCase):
    """Tests that bring their own operators. Nothing of the chart runs meanwhile."""

    def setUp(self):
        self.session = Session.current
        self.kube = self.session.kube
        self.worlds = []

    def run(self, result=None):
        self.result = result
        return super().run(result)

    def open_world(self, name, plan=None, settings=None):
        world = World(self.session, self.session.postgres(), name, plan, settings)
        self.worlds.append(world)
        return world

    def tearDown(self):
        failed = any(item is self for item, _ in self.result.failures + self.result.errors)
        for world in self.worlds:
            if failed:
                world.dump(self.session.output / self._testMethodName)
            world.close()
