"""An operator that dies right after any of its writes ends where an undisturbed one does.

Writes are requests that change objects and appends to the log, counted together. The i-th takes
effect, its answer is lost, the process is gone; a new one goes on. For every i there is a graph of
its own with the same wants; what is left of it, and of its log, must equal what a graph without
faults left.
"""

import collections
import concurrent.futures
import re

from support.alone import AloneTest, quick_job
from support.event_log import EventLog
from support.fault_plan import FaultPlan
from support.graph import want
from support.session import long_form
from support.waiting import TimedOut, eventually

AT_ONCE = 3  # graphs, each with its operator
KINDS = ("append", "create", "patch", "delete")  # of writes
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

ONE = [quick_job("one", "crash/one/{n}"), want("w", "crash/one/1")]
LEVELS = [quick_job("raw", "crash/raw/{n}"),
          quick_job("mid", "crash/mid/{n}", ["crash/raw/{n}"]),
          quick_job("top", "crash/top/{n}", ["crash/mid/{n}"]), want("w", "crash/top/1")]


def moments(events):
    """How often each thing of each kind came to each state. RUNNING is left out: a run may end before
    anybody looks, dead or alive."""
    log, found = EventLog(events), collections.Counter()
    for event in events:
        if "want_event" in event:
            body = event["want_event"]
            found["want", log.wants[body["want_id"]].name, body["lifecycle"]] += 1
        elif "build_request_event" in event:
            body = event["build_request_event"]
            owner = log.builds[event["build_request_id"]].want_id
            found["build", log.wants[owner].name, body["status"]["code"]] += 1
        elif "partition_event" in event:
            body = event["partition_event"]
            found["partition", body["partition_ref"]["str"], body["status_code"]] += 1
        elif "job_event" in event:
            body = event["job_event"]
            if body["status_code"] != "JOB_RUNNING":
                run = log.runs[body["job_run_id"]]
                found["run", *run.refs, body["status_code"], body.get("outcome", "")] += 1
        elif "job_definition_event" in event:
            body = event["job_definition_event"]
            found["definition", body["job_label"], str(body.get("accepted"))] += 1
        else:
            kind = next(name for name in event if name.endswith("_event"))
            build = log.builds.get(event.get("build_request_id"))
            found[kind, log.wants[build.want_id].name if build else "", ""] += 1
    return dict(found)


def state_of(item):
    """The status without what says when, or under which id."""
    status = item.get("status", {})
    kept = {key: value for key, value in status.items()
            if key not in ("conditions", "eventIndex", "wantId", "buildRequestId")}
    kept["conditions"] = sorted(
        (c["type"], c["status"], c["reason"], UUID.sub("ID", c.get("message", "")))
        for c in status.get("conditions", []))
    return kept


def objects_in(plan):
    """How many different objects of each kind were created, and how many deleted."""
    found = collections.Counter()
    for write in plan.seen("create"):
        found["created", write.target.partition("?")[0].rpartition("/")[2]] += 1
    gone = {write.target.partition("?")[0] for write in plan.seen("delete")}
    for path in gone:
        found["deleted", path.split("/")[-2]] += 1
    return dict(found)


class CrashTest(AloneTest):
    def live(self, name, items, plan):
        """Brings up a graph and lets its operator die as planned; answers its world."""
        world = self.open_world(name, plan, {"status": {"dataJobInterval": "500ms"}})
        world.apply(*items)
        world.operator.start()
        world.wait("Want", "w", "Ready")
        return world

    def outcome(self, world):
        """What is left at rest: of the log, of the cluster, and of how it came to be."""
        return {
            "log": moments(world.settled()), "objects": objects_in(world.plan),
            "wants": [state_of(item) for item in self.kube.list("Want", world.name)],
            "jobs": [state_of(item) for item in self.kube.list("DataJob", world.name)]}

    def counted(self, world, jobs):
        """The outcome, once every DataJob's status knows its run, which is written last."""
        found = self.outcome(world)
        return found if sum(job["runs"]["succeeded"] for job in found["jobs"]) == jobs else None

    def crash_after_every_write(self, items, after=True):
        world = self.live("crash-none", items, FaultPlan())
        jobs = len(items) - 1
        reference = eventually("all runs are counted", lambda: self.counted(world, jobs), 30)
        self.assertEqual(reference["objects"], {("created", "jobs"): jobs,
                                                ("deleted", "jobs"): jobs})
        writes = len(world.plan.writes)
        print(f"    {writes} writes without a fault", flush=True)

        def one(die_at):
            world = self.live(f"crash-{die_at}", items, FaultPlan(die_at, after))
            try:
                eventually("all is as if nothing had been",
                           lambda: self.outcome(world) == reference, 30)
            except TimedOut:
                return die_at, world, self.outcome(world)
            world.operator.kill()  # all of them at once would be too many for one Postgres
            return die_at, world, reference

        struck, wrong = [], []
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            # Every write; and, as their order varies, for certain one of each kind.
            for die_at, world, outcome in pool.map(one, [*range(1, writes + 1), *KINDS]):
                struck += world.plan.struck
                wrong += [f"write {die_at}, {part}: {outcome[part]}, expected {expected}"
                          for part, expected in reference.items() if outcome[part] != expected]
        print(f"    the operator died {len(struck)} times", flush=True)
        self.assertEqual(wrong, [], "\n".join(wrong))
        # A counter is written more or less often, as it happens: some runs end before the last i.
        self.assertGreaterEqual(len(struck), 0.8 * writes)
        self.assertEqual(set(struck), set(KINDS))

    def test_a_crash_after_every_write_of_a_want_changes_nothing(self):
        self.crash_after_every_write(ONE)

    @long_form
    def test_a_crash_before_every_write_of_a_want_changes_nothing(self):
        self.crash_after_every_write(ONE, after=False)

    @long_form
    def test_a_crash_after_every_write_of_three_levels_changes_nothing(self):
        self.crash_after_every_write(LEVELS)
