"""Bad data is rebuilt when something needs it, and only then."""

from support.session import EndToEndTest, key
from support.waiting import always


class TaintTest(EndToEndTest):
    def setUp(self):
        super().setUp()
        self.graph.job("source", "t/source/{n}")
        self.graph.job("result", "t/result/{n}", ["t/source/{n}"])
        self.graph.accepted("source", "result")
        self.graph.want("wanted", "t/result/1")
        self.graph.ready("wanted")

    def starts(self):
        """How often source and result were made so far."""
        return [len(self.graph.journal().starts(f"t/{kind}/1")) for kind in ("source", "result")]

    @key
    def test_a_tainted_partition_of_a_live_want_is_rebuilt(self):
        first = self.graph.file("t/result/1")
        self.graph.taint("bad", "t/result/1", comment="wrong sums")
        self.graph.wait("Taint", "bad", "Repaired")
        self.graph.ready("wanted")

        self.assertEqual(self.starts(), [1, 2])
        self.assertNotEqual(self.graph.file("t/result/1")["run"], first["run"])
        log = self.graph.settled_log()
        self.assertEqual(log.want("wanted").states,
                         ["CREATED", "SATISFIED", "UNSATISFIED", "SATISFIED"])
        self.assertEqual(len(log.instances_of("t/result/1")), 2)
        self.assertEqual(self.graph.get("Taint", "bad")["status"]["partitions"]["repaired"], 1)

    @key
    def test_a_tainted_partition_without_a_live_want_waits_for_one(self):
        self.kube.delete("Want", self.graph.name, "wanted")
        self.wait_cancelled()
        self.graph.taint("bad", "t/result/1")
        self.graph.wait("Taint", "bad", "Applied")
        always("nothing is rebuilt", lambda: self.starts() == [1, 1], 5)
        self.graph.want("later", "t/result/1")
        self.graph.ready("later")
        self.assertEqual(self.starts(), [1, 2])
        self.graph.wait("Taint", "bad", "Repaired", seconds=20)

    def test_a_tainted_input_is_rebuilt_when_a_build_needs_it(self):
        self.kube.delete("Want", self.graph.name, "wanted")
        self.wait_cancelled()
        self.graph.taint("bad-source", "t/source/1")
        self.graph.taint("bad-result", "t/result/1")
        for name in ("bad-source", "bad-result"):
            self.graph.wait("Taint", name, "Applied")
        self.graph.want("later", "t/result/1")
        self.graph.ready("later")
        self.assertEqual(self.starts(), [2, 2])
        again = self.graph.file("t/source/1")["run"]
        self.assertEqual(self.graph.file("t/result/1")["inputs"], {"t/source/1": again})

    def test_what_was_made_from_a_tainted_input_stays_unless_the_taint_cascades(self):
        self.graph.taint("bad", "t/source/1")
        self.graph.wait("Taint", "bad", "Applied")
        always("nothing is rebuilt", lambda: self.starts() == [1, 1], 5)
        self.assertEqual(self.graph.condition("Want", "wanted", "Ready")["status"], "True")

        self.graph.taint("worse", "t/source/1", cascade="Downstream")
        self.graph.wait("Taint", "worse", "Repaired")
        self.graph.ready("wanted")
        self.assertEqual(self.starts(), [2, 2])

    def test_a_taint_that_is_deleted_in_time_is_lifted(self):
        self.kube.delete("Want", self.graph.name, "wanted")
        self.wait_cancelled()
        self.graph.taint("mistake", "t/result/1")
        self.graph.wait("Taint", "mistake", "Applied")
        self.kube.delete("Taint", self.graph.name, "mistake")
        self.wait_in_log("the taint is lifted", lambda log: any(
            item.state == "LIFTED" for item in log.taints.values()))
        self.graph.want("later", "t/result/1")
        self.graph.ready("later", seconds=20)
        self.assertEqual(self.starts(), [1, 1])

    def wait_cancelled(self):
        self.wait_in_log("the want is cancelled",
                         lambda log: log.want("wanted").state == "CANCELLED")
