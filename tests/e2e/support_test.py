#!/usr/bin/env python3
"""The judges of the end-to-end tests can say no: each rule is shown a log that breaks it."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from support import event_log, journal  # noqa: E402


def partition(ref, status, instance="i1", **more):
    return {"partition_event": {"partition_ref": {"str": ref}, "instance_id": instance,
                               "status_code": "PARTITION_" + status, **more}}


def job(status, run="r1", refs=("a",), instances=("i1",), inputs=(), **more):
    body = {"job_run_id": run, "status_code": "JOB_" + status, "job_label": {"label": "j"}, **more}
    if status == "SCHEDULED":
        body["target_partitions"] = [{"str": ref} for ref in refs]
        body["instance_ids"] = list(instances)
        body["config"] = {"inputs": [
            {"dep_type_code": "MATERIALIZE", "partition_ref": {"str": ref}} for ref in inputs]}
    return {"job_event": body}


def build(status, **more):
    return {"build_request_event": {"status": {"code": "BUILD_REQUEST_" + status}, **more}}


def want(lifecycle, **more):
    return {"want_event": {"want_id": "w1", "lifecycle": "WANT_" + lifecycle, **more}}


def history(*payloads, first=1):
    return [{"idx": str(n), "timestamp": str(1000 + n), "event_id": f"e{n}", "build_request_id": "b1",
             **payload} for n, payload in enumerate(payloads, first)]


def one_build(ref="a"):
    """The log of a want for one partition that goes well."""
    return [
        want("CREATED", name="w", requested_partitions=[{"str": ref}], total_partitions="1"),
        build("RECEIVED", want_id="w1"), build("PLANNING"), partition(ref, "REQUESTED"),
        {"job_graph_event": {"plan_number": 1, "part": 1, "last": True}},
        partition(ref, "ANALYZED"), build("ANALYSIS_COMPLETED"), build("EXECUTING"),
        job("SCHEDULED", refs=[ref]), partition(ref, "BUILDING", job_run_id="r1"), job("RUNNING"),
        job("COMPLETED"), partition(ref, "AVAILABLE", job_run_id="r1"), build("COMPLETED"),
        want("SATISFIED"),
    ]


class EventLogTest(unittest.TestCase):
    def problems(self, *payloads, quiet=True):
        return event_log.EventLog(history(*payloads)).check_end(quiet)

    def assert_found(self, problems, text):
        self.assertTrue(any(text in problem for problem in problems), (text, problems))

    def test_a_good_log_has_no_problems(self):
        log = event_log.EventLog(history(*one_build()))
        self.assertEqual(log.check_end(), [])
        self.assertEqual(log.available(), {"a"})
        self.assertEqual(len(log.runs_of("a", "COMPLETED")), 1)
        self.assertEqual(log.want("w").states, ["CREATED", "SATISFIED"])

    def test_a_gap_a_repeat_and_a_clock_that_stands_are_found(self):
        events = history(*one_build())
        self.assert_found(event_log.EventLog(events[1:]).problems, "gap")
        self.assert_found(event_log.EventLog(events[:2] + events[1:]).problems, "used before")
        events[4]["timestamp"] = events[3]["timestamp"]
        self.assert_found(event_log.EventLog(events).problems, "does not follow")

    def test_every_illegal_step_is_found(self):
        for entity, table in event_log.TABLE.items():
            states = set(table) | {state for to in table.values() for state in to}
            for before in states:
                for after in states - {None} - table.get(before, set()):
                    log = event_log.EventLog()
                    thing = event_log.Want("x", state=before)
                    log._move(1, (entity, "x"), thing, after)
                    self.assertEqual(len(log.problems), 1, (entity, before, after))

    def test_two_live_runs_of_one_partition_are_found(self):
        log = one_build()
        log.insert(10, job("SCHEDULED", run="r2", refs=["a"]))
        self.assert_found(self.problems(*log), "while r1 is live")

    def test_two_instances_under_way_are_found(self):
        log = one_build()
        log.insert(5, partition("a", "REQUESTED", instance="i2"))
        self.assert_found(self.problems(*log), "while i1 is under way")

    def test_a_run_before_its_input_is_found(self):
        log = one_build()
        log[8] = job("SCHEDULED", refs=["a"], inputs=["missing"])
        self.assert_found(self.problems(*log), "before its input missing")

    def test_a_run_on_a_tainted_input_is_found(self):
        log = one_build("in")
        log.append({"partition_invalidation_event": {
            "partition_ref": {"str": "in"}, "instance_id": "i1", "taint_id": "t"}})
        log.append(job("SCHEDULED", run="r2", refs=["b"], instances=["i9"], inputs=["in"]))
        self.assert_found(self.problems(*log), "tainted input in")

    def test_available_without_a_completed_run_is_found(self):
        log = one_build()
        log[11] = job("FAILED")
        self.assert_found(self.problems(*log), "its run 'r1' is FAILED")

    def test_building_without_a_scheduled_run_is_found(self):
        log = one_build()
        log[9] = partition("a", "BUILDING", job_run_id="r7")
        self.assert_found(self.problems(*log), "not scheduled for it")

    def test_satisfied_without_its_partition_is_found(self):
        log = one_build()
        log[0] = want("CREATED", name="w", requested_ranges=[
            {"ref": "d={date}", "captures": {"date": {"from": "2013-01-01", "to": "2013-01-02"}}}])
        self.assert_found(self.problems(*log), "d=2013-01-02 is not there")

    def test_a_failure_without_a_cause_is_found(self):
        log = one_build()[:10] + [partition("a", "FAILED")]
        self.assert_found(self.problems(*log, quiet=False), "without naming a root cause")

    def test_delegation_to_oneself_or_to_nothing_is_found(self):
        for owner in ("b1", "nobody"):
            body = {"partition_ref": {"str": "a"}, "delegated_to_build_request_id": owner}
            problems = self.problems(*one_build(), {"delegation_event": body})
            self.assert_found(problems, "delegates ['a']")

    def test_unfinished_work_is_found_only_at_rest(self):
        log = one_build()[:10]
        self.assertEqual(self.problems(*log, quiet=False), [])
        self.assert_found(self.problems(*log), "is BUILDING at rest")
        self.assert_found(self.problems(*log), "run r1 of j is SCHEDULED at rest")

    def test_a_mark_twice_or_in_the_wrong_state_is_found(self):
        late = want("SLA_VIOLATED")
        self.assert_found(self.problems(*one_build(), late), "mark SLA_VIOLATED in state SATISFIED")
        log = one_build()
        log[1:1] = [late, late]
        self.assert_found(self.problems(*log), "set twice")


class JournalTest(unittest.TestCase):
    def line(self, what, run, at, ref="a"):
        return {"what": what, "run": run, "at": at, "refs": [ref]}

    def test_runs_in_a_row_do_not_overlap(self):
        lines = [self.line("start", "1", 10), self.line("end", "1", 20),
                 self.line("start", "2", 30), self.line("end", "2", 40)]
        self.assertEqual(journal.overlaps(lines), [])

    def test_runs_of_one_partition_at_the_same_time_are_found(self):
        lines = [self.line("start", "1", 10), self.line("start", "2", 15),
                 self.line("end", "1", 20), self.line("end", "2", 40)]
        self.assertIn("a: run 2 began while 1 was at work", journal.overlaps(lines))

    def test_a_run_started_twice_is_found(self):
        lines = [self.line("start", "1", 10), self.line("start", "1", 15)]
        self.assertIn("started twice", journal.overlaps(lines)[0])


if __name__ == "__main__":
    unittest.main()
