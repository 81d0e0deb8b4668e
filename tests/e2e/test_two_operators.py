"""Two operators at once: who was paused past its lease writes nothing when it wakes up."""

import concurrent.futures
import json
import signal

from support.alone import AloneTest, quick_job
from support.event_log import EventLog
from support.waiting import eventually

LEASE = {"duration": "4s", "renewDeadline": "3s", "retryPeriod": "500ms"}
WANTED = 12


class TwoOperatorsTest(AloneTest):
    def test_an_operator_paused_past_its_lease_writes_nothing_when_it_wakes(self):
        # Slow calls: when it is paused, decided writes wait in it for their turn.
        world = self.open_world(
            "two", settings={"lease": LEASE, "kubernetes": {"qps": 2, "burst": 8}})
        first = world.operator
        second = world.add_operator("second", settings={"lease": LEASE})
        world.apply(quick_job("slow", "two/slow/{n}"))
        first.start()
        first.wait_ready()
        second.start()
        refs = [f"two/slow/{n}" for n in range(WANTED)]
        world.want("w", *refs)
        eventually("the first Job is there", world.jobs, 30, every=0.02)

        first.signal(signal.SIGSTOP)
        self.assertLess(len(first.plan.seen("create")), WANTED, "it has Jobs left to create")
        eventually("the standby leads", lambda: self.holder(world) == second.name, 30, every=0.1)
        world.operator = second
        world.wait("Want", "w", "Ready")
        written = first.plan.begun
        first.signal(signal.SIGCONT)
        self.assertEqual(first.wait_end(), 1, "there is no way back to being a standby")
        self.assertEqual(first.plan.begun - written, 0, "writes after it woke up")
        self.assertIn("lease lost", first.log_text())

        log = EventLog(world.settled())
        self.assertEqual([len(log.runs_of(ref)) for ref in refs], [1] * WANTED)
        created = first.plan.seen("create") + second.plan.seen("create")
        self.assertEqual(len(created), WANTED)

    def test_an_operator_told_to_stop_answers_who_waits_and_gives_its_lease_away(self):
        world, first, second = self.leader_and_standby(
            "stop", {"duration": "60s", "renewDeadline": "40s", "retryPeriod": "500ms"})
        second.start()
        world.want("w", "two/quick/1")
        world.wait("Want", "w", "Ready")
        world.settled()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            poll = pool.submit(first.graph(world.name).events_page, self.head(first, world), wait_ms=60_000)
            eventually("somebody waits", lambda: first.metric("databuild_api_long_polls") == 1, 10, every=0.05)
            first.signal(signal.SIGTERM)
            self.assertEqual(first.wait_end(), 0)
            self.assertEqual(poll.result(1).get("events", []), [])
        eventually("the standby leads", lambda: self.holder(world) == second.name, 10, every=0.1)
        world.operator = second
        world.want("after", "two/quick/2")
        world.wait("Want", "after", "Ready")

    def test_a_standby_answers_what_the_leader_wrote_and_takes_over_where_it_is(self):
        world, first, second = self.leader_and_standby("standby", LEASE)
        world.want("before", *[f"two/quick/{n}" for n in range(WANTED)])
        world.wait("Want", "before", "Ready")
        second.start()
        second.wait_ready()
        self.assertEqual(second.metric("databuild_leader"), 0)
        self.assertEqual(first.metric("databuild_leader"), 1)
        self.assertEqual(self.events(second, world), self.events(first, world))

        world.want("after", "two/quick/more")
        world.wait("Want", "after", "Ready")
        head = self.head(first, world)
        eventually("the standby has it too", lambda: self.head(second, world) >= head, 2, every=0.05)
        put = second.graph(world.name).put("wants", {"wants": [{"ref": {"str": "two/quick/put"}}]})["wants"][0]
        self.assertGreater(int(put["event_index"]), 0, "it takes writes, and hears of them")
        world.wait("Want", put["name"], "Ready")
        self.assertEqual(second.metric("databuild_leader"), 0)

        first.kill()
        eventually("the standby leads", lambda: second.metric("databuild_leader") == 1, 30,
                   every=0.1)
        world.operator = second
        world.want("late", "two/quick/late")
        world.wait("Want", "late", "Ready")
        opened = [json.loads(line) for line in second.log_text().splitlines()
                  if "build event log opened" in line]
        self.assertEqual(len(opened), 1)
        self.assertGreaterEqual(opened[0]["replayed_from"], head, "it had read along until then")
        EventLog(world.settled())

    def leader_and_standby(self, name, lease):
        """A world of quick jobs with an operator that leads, and one that is not started yet."""
        world = self.open_world(name, settings={"lease": lease})
        second = world.add_operator("second", settings={"lease": lease})
        world.apply(quick_job("quick", "two/quick/{n}"))
        world.operator.start()
        world.operator.wait_ready()
        return world, world.operator, second

    def events(self, operator, world):
        return operator.graph(world.name).events()

    def head(self, operator, world):
        return int(operator.graph(world.name).events_page(0)["head_idx"])

    def holder(self, world):
        return self.kube.get("Lease", "default", world.name)["spec"]["holderIdentity"]
