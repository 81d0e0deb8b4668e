"""What all tests of one run share: the cluster, the operator on it, the seed; and their base class."""

import os
import pathlib
import random
import re
import subprocess
import unittest

from support.audit import AuditLog
from support.event_log import EventLog
from support.graph import Graph
from support.kube import Kube
from support.operator import Operator
from support.postgres import Postgres
from support.waiting import eventually

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Session:
    """Made once by the runner, before any test."""

    current = None

    def __init__(self, options):
        self.bel = options.bel
        self.long = options.long
        self.seed = options.seed
        self.keep = options.keep
        self.jobs_image = options.jobs_image
        self.image, self.build = options.image, options.build
        self.output = pathlib.Path(options.output) / options.bel
        self.audit = AuditLog(os.environ["DATABUILD_AUDIT_LOG"])
        self.kube = Kube(os.environ["KUBECONFIG"])
        self.operator = Operator(self.kube, self.helm, str(ROOT / "helm" / "databuild"),
                                 options.image)
        self.left = []  # graphs whose namespaces are on their way out
        self._postgres = None

    def helm(self, *args, seconds=180):
        command = ["helm", f"--kubeconfig={os.environ['KUBECONFIG']}", *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        assert done.returncode == 0, f"helm {args[0]}: {done.stdout}{done.stderr}"
        return done.stdout

    def wait_left(self):
        """Waits until the namespaces of former tests are gone: nothing of ours may hold one."""
        for graph in self.left:
            graph.wait_gone()
        self.left = []

    def cluster(self, *words, seconds=60):
        """A command of the test cluster: "restart", "kube-apiserver"."""
        program = ROOT / "tests" / "e2e" / "cluster" / "cluster"
        subprocess.run([str(program), *words], check=True, timeout=seconds, capture_output=True)

    def recycle_volumes(self):
        self.cluster("recycle-volumes")

    def postgres(self):
        """A Postgres on this machine for operators that are processes of the tests."""
        if self._postgres is None:
            self._postgres = Postgres()
        return self._postgres

    def close(self):
        if self._postgres is not None:
            self._postgres.stop()

    def graph(self, wish):
        """A graph in a namespace that no test of any run has used: logs outlive namespaces."""
        stem = re.sub(r"[^a-z0-9]+", "-", wish.lower()).strip("-")[:40].strip("-")
        name = f"{stem}-{random.SystemRandom().randrange(16**5):05x}"
        return Graph(self.kube, self.operator, name, self.jobs_image)


def key(test):
    """Runs on every backend, not only in the full set."""
    test.is_key = True
    return test


def long_form(test):
    """Runs only with --long."""
    test.is_long = True
    return test


def only_on(bel):
    """Is about one backend and runs there alone."""
    def mark(test):
        test.only_bel = bel
        return test

    return mark


class EndToEndTest(unittest.TestCase):
    """Each test has a graph of its own; one that failed is dumped before it is removed."""

    claim = True

    def setUp(self):
        self.session = Session.current
        self.kube, self.operator = self.session.kube, self.session.operator
        self.random = random.Random(f"{self.session.seed}/{self.id()}")
        self.graphs = []
        self.graph = self.open_graph()

    def run(self, result=None):
        self.result = result
        return super().run(result)

    def open_graph(self):
        graph = self.session.graph(self._testMethodName.removeprefix("test_"))
        self.graphs.append(graph)
        return graph.open(self.claim)

    def wait_in_log(self, what, accept, seconds=90):
        """Waits until accept(log) answers true for the graph's log; answers the log."""
        def look():
            log = self.graph.log()
            return log if accept(log) else None

        return eventually(what, look, seconds, every=0.5)

    def tearDown(self):
        wrong = self.result.failures + self.result.errors
        failed = any(item is self for item, _ in wrong)
        for graph in self.graphs:
            if failed:
                graph.dump(self.session.output / self._testMethodName / graph.name)
            else:
                self.judge(graph)
        for graph in self.graphs:
            if not (failed and self.session.keep):
                graph.leave()
                self.session.left.append(graph)
        self.session.recycle_volumes()

    def judge(self, graph):
        """Every test ends here: whatever it was about, log and journal must be in order."""
        if not graph.touched:
            return
        problems = EventLog(graph.api().events()).check_end(quiet=False)
        self.assertEqual(problems, [])
        if graph.folder:
            graph.assert_no_overlap()
