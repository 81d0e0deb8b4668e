"""Work is shared: a partition that several wants need is made once."""

from support.session import EndToEndTest, key
from support.waiting import eventually


def days(first, last):
    return [f"share/day={n:02}" for n in range(first, last + 1)]


class SharingTest(EndToEndTest):
    @key
    def test_three_wants_over_overlapping_days_make_each_partition_once(self):
        self.graph.job("day", "share/day={day}", options=["--sleep=1"])
        self.graph.accepted("day")
        wishes = {"early": days(1, 8), "middle": days(4, 12), "late": days(6, 14)}
        for name, refs in wishes.items():
            self.graph.want(name, *refs)
        for name in wishes:
            self.graph.ready(name)

        log = self.graph.settled_log()
        self.assertEqual(log.available(), set(days(1, 14)))
        for ref in days(1, 14):
            self.assertEqual(len(log.runs_of(ref)), 1, ref)
            self.assertEqual(len(self.graph.journal().starts(ref)), 1, ref)
            wanting = [name for name, refs in wishes.items() if ref in refs]
            delegating = {build for _, build, of, _, _ in log.delegations if of == ref}
            owner = log.instances_of(ref)[0].owner
            self.assertNotIn(owner, delegating)
            self.assertEqual(len(delegating), len(wanting) - 1, ref)
        eventually("the Jobs of finished runs are removed",
                   lambda: not self.kube.list("Job", self.graph.name), 30)

        # A want that comes when everything is there needs no Job and says whose work it uses.
        runs_before = len(log.runs_of("share/day=05"))
        self.graph.want("afterwards", "share/day=05", "share/day=06")
        self.graph.ready("afterwards", seconds=20)
        log = self.graph.settled_log()
        self.assertEqual(log.want("afterwards").states, ["CREATED", "SATISFIED"])
        build = log.builds_of("afterwards")[0].build_id
        reused = {ref for _, of, ref, _, historical in log.delegations if of == build and historical}
        self.assertEqual(reused, {"share/day=05", "share/day=06"})
        executed = [run for run in log.runs_of("share/day=05") if run.state != "SKIPPED"]
        self.assertEqual(len(executed), runs_before)

    def test_a_want_for_what_is_there_is_ready_at_once(self):
        self.graph.job("one", "once/{name}")
        self.graph.accepted("one")
        self.graph.want("first", "once/a")
        self.graph.ready("first")
        self.graph.want("second", "once/a")
        self.graph.ready("second", seconds=10)
        self.assertEqual(len(self.graph.journal().starts("once/a")), 1)
