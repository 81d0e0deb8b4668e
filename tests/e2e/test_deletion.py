"""Deleting a Want cancels it: its work ends, unless somebody else needs it."""

from support.session import EndToEndTest, key
from support.waiting import always, eventually


class DeletionTest(EndToEndTest):
    def start_slow(self, *wants):
        self.graph.job("slow", "slow/{n}", options=["--sleep=20"])
        self.graph.job("next", "next/{n}", ["slow/{n}"])
        self.graph.accepted("slow", "next")
        for name in wants:
            self.graph.want(name, "next/1")
        eventually("the slow run is at work", lambda: self.graph.journal().starts("slow/1"), 40)

    @key
    def test_a_want_deleted_mid_run_ends_its_run_and_leaves_nothing(self):
        self.start_slow("dropped")
        self.kube.delete("Want", self.graph.name, "dropped")
        self.wait_in_log("the run is cancelled", lambda log: [
            run.state for run in log.runs_of("slow/1")] == ["CANCELLED"])
        eventually("Job and pod are gone", lambda: not self.kube.list("Job", self.graph.name)
                   and not self.kube.list("Pod", self.graph.name), 60)

        log = self.graph.settled_log()
        self.assertEqual(log.want("dropped").states, ["CREATED", "CANCELLED"])
        self.assertEqual(log.builds_of("dropped")[0].state, "CANCELLED")
        self.assertEqual({log.instances_of(ref)[0].state for ref in ("slow/1", "next/1")},
                         {"CANCELLED"})
        self.assertEqual(log.available(), set())
        ends = [line for line in self.graph.journal().lines() if line["what"] == "end"]
        self.assertEqual(len(ends), 1, "the program was not told to stop")

    @key
    def test_work_that_another_want_needs_goes_on(self):
        self.start_slow("dropped", "kept")
        self.wait_in_log("both wants have builds", lambda log: all(
            build.state == "EXECUTING" for name in ("dropped", "kept")
            for build in log.builds_of(name)) and log.builds_of("kept"))
        self.kube.delete("Want", self.graph.name, "dropped")
        self.graph.ready("kept")
        log = self.graph.settled_log()
        self.assertEqual([run.state for run in log.runs_of("slow/1")], ["COMPLETED"])
        self.assertEqual(log.want("dropped").state, "CANCELLED")

    def test_a_want_deleted_while_the_operator_is_away_is_noticed(self):
        self.start_slow("dropped")
        killed = self.operator.kill()
        self.kube.delete("Want", self.graph.name, "dropped")
        self.operator.wait_ready(90, other_than=killed)
        self.wait_in_log("the run is cancelled", lambda log: [
            run.state for run in log.runs_of("slow/1")] == ["CANCELLED"])
        self.assertEqual(self.graph.settled_log().want("dropped").state, "CANCELLED")

    def test_a_deleted_job_finishes_its_run_and_starts_no_other(self):
        self.start_slow("wish")
        self.kube.delete("DataJob", self.graph.name, "next")
        self.wait_in_log("the running run completes", lambda log: [
            run.state for run in log.runs_of("slow/1")] == ["COMPLETED"])
        self.graph.wait("Want", "wish", "Ready", "False", "NoProducer")
        always("nothing starts", lambda: not self.graph.journal().starts("next/1"), 3)
