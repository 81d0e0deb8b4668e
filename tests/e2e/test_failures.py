"""What cannot be made says why, everywhere it is missed."""

from support.graph import condition
from support.session import EndToEndTest, key
from support.waiting import eventually


class RetryTest(EndToEndTest):
    @key
    def test_a_job_that_fails_twice_then_succeeds(self):
        self.graph.job("flaky", "flaky/{name}", options=["--fail-first=2"],
                       retry={"limit": 3, "backoff": "1s", "maxBackoff": "2s"})
        self.graph.accepted("flaky")
        self.graph.want("stubborn", "flaky/a")
        self.graph.ready("stubborn")

        log = self.graph.settled_log()
        runs = log.runs_of("flaky/a")
        self.assertEqual([run.state for run in runs], ["FAILED", "FAILED", "COMPLETED"])
        self.assertEqual([run.outcome for run in runs], ["FAILED", "FAILED", "SUCCEEDED"])
        self.assertEqual(len(log.instances_of("flaky/a")), 1, "retries belong to the instance")
        starts = [line["at"] for line in self.graph.journal().starts("flaky/a")]
        gaps = [(later - earlier) / 1e9 for earlier, later in zip(starts, starts[1:])]
        self.assertGreaterEqual(gaps[0], 1.0, "the first retry did not wait its backoff")
        self.assertGreaterEqual(gaps[1], 2.0, "the second retry did not wait its backoff")


class FailureTest(EndToEndTest):
    def build_doomed(self):
        self.graph.job("root", "doom/root/{n}", options=["--always-fail"],
                       retry={"limit": 1, "backoff": "1s", "maxBackoff": "1s"})
        self.graph.job("side", "doom/side/{n}")
        self.graph.job("middle", "doom/middle/{n}", ["doom/root/{n}"])
        self.graph.job("top", "doom/top/{n}", ["doom/middle/{n}", "doom/side/{n}"])
        self.graph.accepted("root", "side", "middle", "top")
        self.graph.want("doomed", "doom/top/1", "doom/middle/1", "doom/side/1")
        return self.graph.wait("Want", "doomed", "Stalled", reason="BuildFailed")

    @key
    def test_a_job_that_always_fails_stalls_its_want_and_names_the_root_cause(self):
        found = self.build_doomed()
        self.assertEqual(condition(found, "Ready")["status"], "False")
        self.assertIn("doom/root/1", condition(found, "Stalled")["message"])
        self.assertEqual(found["status"]["partitions"]["failed"], 2)
        self.assertEqual(found["status"]["partitions"]["available"], 1)
        details = {item["ref"]: item for item in found["status"]["details"]}
        for ref in ("doom/top/1", "doom/middle/1"):
            self.assertEqual(details[ref]["reason"], "BuildFailed")
            self.assertIn("doom/root/1", details[ref]["message"])

        log = self.graph.settled_log()
        root = log.runs_of("doom/root/1")
        self.assertEqual([run.state for run in root], ["FAILED", "FAILED"])
        for ref in ("doom/root/1", "doom/middle/1", "doom/top/1"):
            instance = log.instances_of(ref)[0]
            self.assertEqual(instance.state, "FAILED", ref)
            self.assertEqual(instance.cause["partition_ref"], "doom/root/1")
            self.assertEqual(instance.cause["job_run_id"], root[-1].run_id)
        self.assertEqual(log.runs_of("doom/middle/1") + log.runs_of("doom/top/1"), [])
        self.assertIn("doom/side/1", log.available(), "what does not depend on the failure goes on")
        self.assertEqual(log.builds_of("doomed")[0].state, "FAILED")

    def test_the_api_gives_the_same_reason_as_the_want(self):
        found = self.build_doomed()
        summary = self.graph.api().want(found["status"]["wantId"])
        text = str(summary)
        self.assertIn("BuildFailed", text)
        self.assertIn("doom/root/1", text)

    def test_a_new_want_over_a_failed_partition_tries_again(self):
        self.build_doomed()
        before = len(self.graph.journal().starts("doom/root/1"))
        self.graph.want("hopeful", "doom/middle/1")
        self.graph.wait("Want", "hopeful", "Stalled", reason="BuildFailed")
        self.assertGreater(len(self.graph.journal().starts("doom/root/1")), before)

    def test_a_corrected_job_builds_what_had_failed(self):
        self.build_doomed()
        item = self.graph.get("DataJob", "root")
        command = item["spec"]["template"]["spec"]["containers"][0]["command"]
        command.remove("--always-fail")
        self.kube.request("PUT", f"/apis/databuild.dev/v1alpha1/namespaces/{self.graph.name}"
                          "/datajobs/root", item)
        self.graph.ready("doomed")
        self.assertEqual(len(self.graph.settled_log().builds_of("doomed")), 2)


class NobodyMakesItTest(EndToEndTest):
    @key
    def test_a_want_that_nobody_can_serve_says_so_until_somebody_can(self):
        self.graph.want("orphan", "orphan/a")
        found = self.graph.wait("Want", "orphan", "Ready", "False", "NoProducer", seconds=30)
        self.assertIn("orphan/a", condition(found, "Ready")["message"])
        self.assertEqual(condition(found, "Stalled")["status"], "True")
        self.assertEqual(found["status"]["details"][0]["reason"], "NoProducer")

        self.graph.job("parent", "orphan/{name}")
        self.graph.ready("orphan")
        states = [build.state for build in self.graph.settled_log().builds_of("orphan")]
        self.assertEqual(states, ["PRECONDITION_FAILED", "COMPLETED"])

    def test_what_does_not_need_the_missing_input_is_built(self):
        self.graph.job("half", "half/{name}", ["half-missing/{name}"])
        self.graph.job("whole", "whole/{name}")
        self.graph.accepted("half", "whole")
        self.graph.want("both", "half/a", "whole/a")
        found = self.graph.wait("Want", "both", "Ready", "False", "NoProducer")
        eventually("whole/a is made", lambda: self.graph.file("whole/a"), 30)
        log = self.graph.settled_log()
        self.assertEqual(log.available(), {"whole/a"})
        build = log.builds_of("both")[0]
        self.assertEqual(build.state, "PRECONDITION_FAILED")
        self.assertEqual([item["ref"] for item in build.unproducible], ["half-missing/a"])
        self.assertEqual(found["status"]["partitions"]["total"], 2)


class AmbiguousTest(EndToEndTest):
    @key
    def test_a_job_whose_outputs_another_could_make_is_refused_with_both_names(self):
        self.graph.job("any-day", "amb/{day}")
        self.graph.accepted("any-day")
        self.graph.job("real-day", "amb/{day:date}")
        found = self.graph.wait("DataJob", "real-day", "Accepted", "False", "AmbiguousProducer",
                                seconds=30)
        message = condition(found, "Accepted")["message"]
        self.assertIn("any-day", message)
        self.assertIn("real-day", message)

        self.kube.delete("DataJob", self.graph.name, "any-day")
        self.graph.accepted("real-day")
        self.graph.want("unambiguous", "amb/2013-01-05")
        self.graph.ready("unambiguous")
