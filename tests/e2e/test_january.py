"""The flights of January: 66 partitions, from single days to the month, with the right figures."""

import os
import subprocess
import threading

from support import flights
from support.event_log import EventLog
from support.graph import taint
from support.session import ROOT, EndToEndTest, key, long_form
from support.waiting import eventually


class JanuaryTest(EndToEndTest):
    @key
    def test_january_is_built_and_its_figures_are_right(self):
        flights.apply_jobs(self.graph)
        self.graph.touched = True
        self.kube.kubectl("-n", self.graph.name, "apply", "-f",
                          str(flights.EXAMPLE / "want-january.yaml"))
        self.kube.kubectl("-n", self.graph.name, "wait", "--for=condition=Ready", "want/january",
                          "--timeout=240s", seconds=250)

        said = flights.compare(self.graph, "--month", "2013-01")
        self.assertIn("66 of 66 files agree", said)
        status = self.graph.get("Want", "january")["status"]
        self.assertEqual(status["progress"], "35/35")
        self.assertEqual(status["partitions"]["total"], 35)
        self.assertEqual(status["partitions"]["available"], 35)

        log = self.graph.settled_log()
        self.assertEqual(len(log.available()), 66)
        for ref in log.available():
            self.assertEqual(len(log.runs_of(ref)), 1, ref)
        self.assertEqual(log.want("january").states, ["CREATED", "SATISFIED"])
        listed = {row["partition_ref"]["str"]: row["status"]["code"]
                  for row in self.graph.api().partitions()}
        self.assertEqual(listed, dict.fromkeys(log.available(), "PARTITION_AVAILABLE"))
        runs = self.graph.api().job_runs()
        self.assertEqual({run["status_code"] for run in runs}, {"JOB_COMPLETED"})
        self.assertEqual(len(runs), 66)
        every = self.graph.api().walk("job_runs", "job_runs", include_configure="true")
        self.assertEqual(len(every), 67, "the image of monthly is asked once how it makes January")
        month = self.graph.api().page("partitions/flights%2Fmonthly%2Fmonth=2013-01")
        self.assertEqual(month["manifests"][0]["metadata"],
                         {"flights/monthly/month=2013-01": "16 rows"})
        self.assertEqual(len(month["upstream"]), 31)
        self.walk_every_method()

    def walk_every_method(self):
        """A stock Connect client and curl are told the same by every method."""
        bad = taint("walked", globs=["nothing/*"])
        del bad["spec"]["partitions"]
        self.graph.apply(bad)
        self.wait_in_log("the taint that hits nothing", lambda log: log.taints)
        self.graph.settled_log()
        walk = subprocess.run(
            [str(ROOT / "tests" / "connect" / "run"), "http://{}:{}".format(*self.operator.service("api")),
             self.graph.name], env=dict(os.environ, DATABUILD_TOKEN=self.editor()), timeout=180,
            capture_output=True, text=True, check=False)
        self.assertEqual(walk.returncode, 0, walk.stdout + walk.stderr)

    def editor(self):
        """A token of somebody who may also write in the graph, once the API server knows it."""
        name = self.graph.name
        self.kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "editor"}}, name)
        self.kube.create({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "editor"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", "name": "editor", "namespace": name}]}, name)
        asked = ["auth", "can-i", "create", "taints.databuild.dev", f"--as=system:serviceaccount:{name}:editor",
                 "-n", name]
        eventually("the editor may write", lambda: self.kube.kubectl_result(*asked).returncode == 0, 20, every=0.2)
        return self.kube.token(name, "editor", "databuild")

    @long_form
    def test_the_year_is_built_and_its_figures_are_right(self):
        flights.apply_jobs(self.graph)
        self.graph.apply(flights.example(self.kube, "want-year.yaml"))
        self.graph.ready("year-2013", seconds=1500)
        self.assertIn("743 of 743 files agree", flights.compare(self.graph, "--year"))
        self.assertEqual(len(self.graph.settled_log().available()), 743)


class PeerTest(EndToEndTest):
    @key
    def test_a_peer_that_polls_from_the_start_sees_every_event_once_in_order(self):
        self.graph.job("source", "peer/source/{n:int}", options=["--sleep=0.3"])
        self.graph.job("sum", "peer/sum/{n:int}", ["peer/source/{n}"])
        self.graph.accepted("source", "sum")
        peer = Peer(self.graph.api())
        peer.start()
        try:
            self.graph.want("sums", ranges=[
                {"ref": "peer/sum/{n}", "captures": {"n": {"from": "1", "to": "8"}}}])
            self.graph.ready("sums")
            self.graph.settled_log()
            events = self.graph.api().events()
            eventually("the peer has caught up", lambda: len(peer.events) >= len(events), 30)
        finally:
            peer.stop()
        self.assertIsNone(peer.error)
        self.assertEqual(peer.events[: len(events)], events)
        self.assertEqual(EventLog(peer.events).problems, [])
        self.assertGreater(peer.waits, 0, "no page was answered by waiting")

        last = int(events[-1]["idx"])
        one = self.graph.api().events_page(last - 5, limit=2)
        self.assertEqual([int(event["idx"]) for event in one["events"]], [last - 4, last - 3])
        self.assertTrue(one["has_more"])
        self.assertEqual(int(one["next_idx"]), last - 3)
        only = self.graph.api().events(partition_refs="peer/sum/3")
        made = [event["partition_event"] for event in only if "partition_event" in event]
        self.assertEqual([event["partition_ref"]["str"] for event in made], ["peer/sum/3"] * 4)
        ran = [event["job_event"] for event in only if "job_event" in event]
        self.assertEqual(len({event["job_run_id"] for event in ran}), 1)


class Peer(threading.Thread):
    """Polls as another graph's operator would: long polls, going on from next_idx."""

    def __init__(self, api):
        super().__init__(name="peer")
        self._api, self._stop_asked = api, threading.Event()
        self.events, self.waits, self.error = [], 0, None

    def run(self):
        since = 0
        try:
            while not self._stop_asked.is_set():
                page = self._api.events_page(since, limit=7, wait_ms=2000)
                self.events += page.get("events", [])
                self.waits += page.get("has_more", False) is False
                since = int(page.get("next_idx", since))
        except Exception as error:  # noqa: BLE001
            self.error = error

    def stop(self):
        self._stop_asked.set()
        self.join(timeout=30)
