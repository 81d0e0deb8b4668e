"""The log is the memory: an operator that dies at any moment goes on where it was."""

import time

from support import flights
from support.log_proof import LIFE, LogProof, printer
from support.session import EndToEndTest, key, long_form, only_on
from support.waiting import eventually


def state_in_api(graph):
    """What the API says about a graph at rest, without what says when and by whom it was said."""
    api = graph.api()
    wants = []
    for want in api.wants():
        summary = api.want(want["want"]["want_id"])
        summary.pop("event_index", None)
        wants.append(summary)
    return {"partitions": api.partitions(), "wants": wants, "runs": api.job_runs(),
            "events": api.events()}


class RestartTest(EndToEndTest):
    @key
    def test_a_restarted_operator_answers_the_same(self):
        self.graph.job("flaky", "re/base/{n}", options=["--fail-first=1"],
                       retry={"limit": 2, "backoff": "1s", "maxBackoff": "1s"})
        self.graph.job("sum", "re/sum/{n}", ["re/base/{n}"])
        self.graph.job("doomed", "re/doomed/{n}", options=["--always-fail"])
        self.graph.accepted("flaky", "sum", "doomed")
        self.graph.want("good", "re/sum/1", "re/sum/2")
        self.graph.want("bad", "re/doomed/1", "re/nobody")
        self.graph.ready("good")
        self.graph.wait("Want", "bad", "Stalled")
        self.graph.taint("redo", "re/sum/1")
        self.graph.wait("Taint", "redo", "Repaired")
        self.graph.settled_log()
        before = state_in_api(self.graph)

        self.operator.restart()
        after = eventually("the API answers again", lambda: state_in_api(self.graph), 30)
        for name in before:
            self.assertEqual(after[name], before[name], name)
        self.assertEqual(self.graph.condition("Want", "good", "Ready")["status"], "True")


class KillTest(EndToEndTest):
    @key
    def test_killed_three_times_during_january(self):
        self.kill_during_january(3)

    @long_form
    def test_killed_ten_times_during_january(self):
        self.kill_during_january(10)

    def kill_during_january(self, times):
        """Kills at moments that the seed draws: when so many runs have noted their start or end,
        and a fraction of a second later."""
        flights.apply_jobs(self.graph)
        self.graph.apply(flights.example(self.kube, "want-january.yaml"))
        journal = self.graph.journal()
        moments = sorted(self.random.sample(range(1, 120), times))
        for moment in moments:
            eventually(f"the journal has {moment} lines",
                       lambda moment=moment: len(journal.lines()) >= moment, 180, every=0.05)
            # Not a wait for something: the moment of the kill, as the seed has drawn it.
            time.sleep(self.random.uniform(0.0, 1.5))
            lines = len(journal.lines())
            killed = self.operator.kill()
            print(f"    killed the operator at {lines} lines of the journal", flush=True)
            self.operator.wait_ready(90, other_than=killed)
        self.graph.ready("january", seconds=240)

        self.assertIn("66 of 66 files agree", flights.compare(self.graph, "--month", "2013-01"))
        self.graph.assert_built_once(66)
        before = state_in_api(self.graph)
        self.operator.restart()
        after = eventually("the API answers again", lambda: state_in_api(self.graph), 30)
        self.assertEqual(after, before)


class KillWhilePrintingTest(EndToEndTest, LogProof):
    claim = False

    @long_form
    @only_on("sqlite")
    def test_no_line_of_200_runs_is_lost_while_the_operators_pod_is_deleted(self):
        started, kills = time.monotonic(), 0
        job = printer("printer", "printed/{n}")
        job["spec"]["maxConcurrentRuns"] = 10
        self.graph.apply(job)
        self.graph.want("w", *(f"printed/{n}" for n in range(200)))
        while self.graph.condition("Want", "w", "Ready")["status"] != "True":
            # The moment of the kill, not a wait for something.
            time.sleep(LIFE)
            self.operator.restart()
            kills += 1
        log = self.graph.settled_log()
        ids = [run.run_id for run in log.runs.values() if run.state == "COMPLETED"]
        self.assertEqual(len(ids), 200)
        self.prove_logs(self.graph.api(), ids)
        print(f"    the operator's pod was deleted {kills} times; "
              f"{time.monotonic() - started:.0f} s", flush=True)
