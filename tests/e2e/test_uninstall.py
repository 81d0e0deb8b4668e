"""Leaving: an uninstall hangs nothing, and a new installation finds the log again."""

from support.operator import NAMESPACE
from support.session import EndToEndTest, key
from support.waiting import eventually


class UninstallTest(EndToEndTest):
    @key
    def test_an_uninstall_mid_run_leaves_nothing_hanging(self):
        self.session.wait_left()
        self.graph.job("slow", "bye/{n}", options=["--sleep=8"])
        self.graph.accepted("slow")
        self.graph.want("unlucky", "bye/1", "bye/2")
        eventually("a run is at work", lambda: self.graph.journal().lines(), 40)
        values = list(self.operator.values)
        self.operator.uninstall()
        eventually("the operator's pod is gone", lambda: not self.operator.pods(), 60)

        # Without the operator every object goes at once: nothing of ours holds a finalizer.
        other = self.open_graph()
        other.want("nobody-listens", "bye/3")
        for kind in ("Want", "DataJob"):
            for item in self.kube.list(kind, self.graph.name):
                self.assertEqual(item["metadata"].get("finalizers", []), [])
        other.leave()
        other.wait_gone(seconds=60)
        self.graphs.remove(other)

        # The volume of the log is kept; the runs have ended meanwhile, and the log learns of it.
        self.operator.install(*values[3:])
        self.graph.ready("unlucky", seconds=120)
        log = self.graph.settled_log()
        for ref in ("bye/1", "bye/2"):
            self.assertEqual([run.state for run in log.runs_of(ref)], ["COMPLETED"])
        self.assertTrue(self.kube.get("Namespace", None, NAMESPACE))
