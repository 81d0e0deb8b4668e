"""Two operators at once: who was paused past its lease writes nothing when it wakes up."""

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

    def holder(self, world):
        return self.kube.get("Lease", "default", world.name)["spec"]["holderIdentity"]
