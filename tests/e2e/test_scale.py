"""Many wants over the same partitions, on fake nodes."""

import concurrent.futures
import time

from support.alone import AloneTest, quick_job
from support.event_log import EventLog
from support.fake_nodes import POD, RATES, FakeNodes
from support.graph import condition, want
from support.session import long_form
from support.waiting import eventually

WANTS, PARTITIONS, LAST = 100, 500, 499


class ScaleTest(AloneTest):
    @long_form
    def test_a_hundred_wants_over_the_same_500_partitions_make_500_jobs(self):
        self.session.cluster("restart", "kube-controller-manager", *RATES)
        nodes = FakeNodes(self.kube)
        self.addCleanup(nodes.close)
        world = self.open_world("shared", settings={
            "kubernetes": {"qps": 400, "burst": 800},
            "logs": {"enabled": False}})  # pods of fake nodes have none
        world.apply(quick_job("many", "shared/{n}", pod=POD))
        world.operator.start()
        world.operator.wait_ready()
        ranges = [{"ref": "shared/{n}",
                   "captures": {"n": {"from": "0", "to": str(LAST)}}}]
        position, begin = self.session.audit.position(), time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda n: world.apply(want(f"w-{n}", ranges=ranges)), range(WANTS)))

        def all_ready():
            found = self.kube.list("Want", world.name)
            return len(found) == WANTS and all(
                condition(item, "Ready")["status"] == "True" for item in found)

        eventually("all wants are ready", all_ready, 240, every=1)
        print(f"    all {WANTS} wants ready after {time.monotonic() - begin:.1f} s", flush=True)
        ticks, spent = (world.operator.metric(f"databuild_tick_duration_seconds_{part}")
                        for part in ("count", "sum"))
        print(f"    {ticks:.0f} ticks took {spent:.1f} s", flush=True)
        log = EventLog(world.settled(120))
        self.assertEqual(len(log.available()), PARTITIONS)
        started = [run for run in log.runs.values() if run.state != "SKIPPED"]
        self.assertEqual([run.state for run in started], ["COMPLETED"] * PARTITIONS)
        created = [request for request in self.session.audit.entries(position, "admin")
                   if request.verb == "create" and request.resource == "jobs"
                   and request.namespace == world.name and request.code == 201 and not request.dry_run]
        self.assertEqual(len(created), PARTITIONS, "Jobs that were ever created")
        self.assertEqual(len({request.name for request in created}), PARTITIONS)
