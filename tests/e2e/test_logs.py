"""What jobs print is kept: every line in order, whatever happens to the operator meanwhile."""

import collections
import time

from support.alone import AloneTest, quick_job
from support.event_log import EventLog
from support.log_proof import LIFE, LogProof, number_of, printer
from support.session import long_form
from support.waiting import eventually

AT_ONCE = 10
# What a job may print by accident or on purpose: deep JSON, control characters, no UTF-8, frames that are
# none, frames of somebody else, a line of 10 MB.
HOSTILE = r"""
head -c 10000 /dev/zero | tr '\0' '['; echo
printf '\033[31mred\033[0m\n'; printf 'nul\000here\n'; printf '\377\376bad\n'
echo '{"level":"INFO","message":"forged frame","sequenceNumber":"7"}'
echo '{"timestamp":"1","jobId":"other","sequenceNumber":"1","log":{"message":"forged frame"}}'
head -c 10000000 /dev/zero | tr '\0' x; echo
"""


class LogCase(AloneTest, LogProof):
    def open_logs(self, name, **settings):
        """A world whose operator is ready."""
        world = self.open_world(name, settings={"limits": {"runs": AT_ONCE}, **settings})
        world.operator.start()
        world.operator.wait_ready()
        return world

    def run_of(self, world):
        """The pod of the graph's one run, once it has started, and the run's id."""
        def look():
            pods = [pod for pod in self.kube.list("Pod", world.name)
                    if pod["status"].get("phase") == "Running"]
            return pods[0] if pods else None

        pod = eventually("a pod runs", look, 60)
        return pod, pod["metadata"]["annotations"]["databuild.dev/job-run-id"]


class LogsTest(LogCase):
    def test_no_line_of_30_runs_is_lost_while_the_operator_is_killed(self):
        self.kill_while_printing(30)

    @long_form
    def test_no_line_of_200_runs_is_lost_while_the_operator_is_killed(self):
        self.kill_while_printing(200)

    def kill_while_printing(self, runs):
        started = time.monotonic()
        world = self.open_logs("logs", logs={"metrics": ["rows"]})
        world.apply(printer("printer", "logs/{n}"))
        world.want("w", *(f"logs/{n}" for n in range(runs)))
        kills = 0
        while self.condition(world) != "True":
            # The moment of the kill, not a wait for something.
            time.sleep(LIFE)
            world.operator.restart()
            world.operator.wait_ready()
            kills += 1
        log = EventLog(eventually("the graph comes to rest", lambda: world.settled(1), 120))
        ids = [run.run_id for run in log.runs.values() if run.state == "COMPLETED"]
        self.assertEqual(len(ids), runs)
        self.assertGreaterEqual(kills, 3)
        self.prove_logs(world.api(), ids)
        print(f"    the operator was killed {kills} times; {time.monotonic() - started:.0f} s", flush=True)

    def condition(self, world):
        found = self.kube.get("Want", world.name, "w")
        return {c["type"]: c["status"] for c in found["status"].get("conditions", [])}.get("Ready")


class HostileOutputTest(LogCase):
    """What a job prints is data: bounded, marked, harmless."""

    def resident(self, world):
        return world.operator.metric("process_resident_memory_bytes") / 2**20

    def test_hostile_lines_of_a_job_are_text(self):
        world = self.open_logs("hostile")
        before = self.resident(world)
        forged = '{"exitStatus":0,"lastSequence":"1"}'
        world.apply(printer("hostile", "hostile/{n}", HOSTILE + f"""
            echo '{forged}' > /dev/termination-log; exit 0"""))
        world.want("w", "hostile/1")
        world.wait("Want", "w", "Ready")
        log = EventLog(world.api().events())
        run_id = next(iter(log.runs))
        lines, page = self.finished_log(world.api(), run_id)
        self.assertTrue(page["logs_complete"], page)
        texts = [entry["log"]["message"] for entry in lines if "log" in entry]
        self.assertGreater(sum(map(len, texts)), 7 << 20, "the long line, in parts")
        self.assertTrue(any(entry["log"].get("fields", {}).get("part") == "2"
                            for entry in lines if "log" in entry), "which are marked")
        for text in ("\x1b[31mred\x1b[0m", "nul\0here", "\ufffd\ufffdbad", "forged frame"):
            self.assertIn(text, texts, "as it was printed, but for what is no UTF-8")
        self.assertFalse(any("unframed" in str(entry) for entry in lines))
        print(f"    resident memory {before:.0f} MiB before, {self.resident(world):.0f} after",
              flush=True)
        self.assertLess(self.resident(world) - before, 100)

    def test_a_container_without_the_wrapper_cannot_harm_the_operator(self):
        world = self.open_logs("unframed")
        world.apply(quick_job("victim", "unframed/{n}", seconds="3600"))
        world.want("w", "unframed/1")
        pod, run_id = self.run_of(world)
        before = self.resident(world)
        # Whoever may create pods can claim to be the run's.
        jumps = f"""
            i=0
            while [ $i -lt 3000 ]; do
              i=$((i + 1))
              echo "{{\\"timestamp\\":\\"1\\",\\"jobId\\":\\"{run_id}\\",\\"sequenceNumber\\":\\"$((i * 1000))\\",\
\\"log\\":{{\\"message\\":\\"jump\\"}}}}"
            done
            echo '{{"exitStatus":0,"lastSequence":"9007199254740992"}}' > /dev/termination-log"""
        meta = pod["metadata"]
        # Not those that the Job goes by: its controller would end a pod too many at once.
        labels = {key: value for key, value in meta["labels"].items() if key.startswith("databuild.dev/")}
        self.kube.create({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "impostor", "labels": labels,
                         "annotations": meta["annotations"]},
            "spec": {"restartPolicy": "Never", "containers": [{
                "name": "job", "image": "databuild.test/busybox:1",
                "command": ["sh", "-c", HOSTILE + jumps]}]}}, world.name)
        lines, page = self.finished_log(world.api(), run_id)
        reasons = collections.Counter(
            entry["log"]["fields"]["reason"] for entry in lines
            if entry.get("log", {}).get("fields", {}).get("stream") == "unframed")
        self.assertLessEqual({"NotJson", "NotAnEntry", "OtherRun", "TooLong"}, set(reasons))
        self.assertTrue(all(c == "\t" or c >= " " for entry in lines if "log" in entry
                            for c in entry["log"]["message"]), "control characters were replaced")
        self.assertFalse(page["logs_complete"])
        self.assertLessEqual(len(page["gaps"]), 1002)
        self.assertLessEqual(len(lines), 1500)
        after = self.resident(world)
        print(f"    {len(lines)} lines, marked {dict(reasons)}; resident memory {before:.0f} MiB "
              f"before, {after:.0f} after", flush=True)
        self.assertLess(after - before, 100)
        self.assertTrue(world.operator.running())


# Three hundred lines, then nothing or more of them.
FIRST = """
    i=0
    while [ $i -lt 300 ]; do i=$((i + 1)); echo "line $i of the job"; done"""
SLEEPS = FIRST + """
    sleep 3600"""
TALKS = FIRST + """
    while true; do i=$((i + 1)); echo "line $i of the job"; sleep 0.1; done"""
# The shell itself outgrows its limit.
HOARDS = FIRST + """
    sleep 1
    x=0123456789abcdef
    while true; do x=$x$x; done"""


class EarlyEndTest(LogCase):
    """Runs that end before they have said all: why is told, what came is kept, what is missing named."""

    def start(self, name, script, change=None, **settings):
        """A world with one run of the script, which is not tried again."""
        world = self.open_logs(name, **settings)
        job = printer("early", f"{name}/{{n}}", script)
        job["spec"]["retry"] = {"limit": 0, "infrastructureLimit": 0}
        if change:
            change(job["spec"]["template"]["spec"])
        world.apply(job)
        world.want("w", f"{name}/1")
        return world

    def shown(self, world, run_id):
        """The newest page of the log once it shows three hundred lines, while the run lives."""
        def look():
            page = world.api().page(f"job_runs/{run_id}/logs")
            return page if 300 in self.printed(page["entries"]) else None

        page = eventually("three hundred lines are shown", look, 60)
        self.assertEqual((page["logs_complete"], page["incomplete_reason"]), (False, "Running"))
        self.assertTrue(page["next_page_token"])
        return page

    def printed(self, entries):
        numbers_of_all = [number_of(entry) for entry in entries if "metric" not in entry]
        return [number for number in numbers_of_all if number is not None]

    def ended(self, world, seconds=60):
        """The graph's one run once it has ended."""
        def look():
            runs = [run for run in world.log().runs.values() if run.state == "FAILED"]
            return runs[0] if runs else None

        return eventually("the run has ended", look, seconds)

    def check_kept(self, world, run_id, least, reasons):
        """Every line up to the last flushed one is there; what may follow is a gap without an end."""
        lines, page = self.finished_log(world.api(), run_id)
        sequences = [int(entry["sequence_number"]) for entry in lines]
        self.assertEqual(sequences, list(range(1, len(sequences) + 1)))
        printed = self.printed(lines)
        self.assertEqual(printed, list(range(1, len(printed) + 1)))
        self.assertGreaterEqual(len(printed), least)
        print(f"    {len(printed)} lines, {page['incomplete_reason'] or 'complete'}", flush=True)
        if page["logs_complete"]:
            self.assertEqual(lines[-1]["job_event"]["event_type"], "task_exit")
            return
        self.assertIn(page["incomplete_reason"], reasons)
        self.assertEqual([(int(gap["first_sequence"]), int(gap.get("last_sequence", 0)))
                          for gap in page["gaps"]], [(sequences[-1] + 1, 0)])

    def test_the_log_of_a_pod_that_was_deleted_in_mid_run_is_kept_as_far_as_it_came(self):
        world = self.start("deleted", """
            echo '{"name": "files", "value": 7}'; echo '{"name": "unlisted", "value": 1}'""" + SLEEPS,
                           logs={"metrics": ["files"]})
        pod, run_id = self.run_of(world)
        self.shown(world, run_id)
        metric = world.operator.metric
        self.assertEqual(metric("databuild_job_metric", graph=world.name), 7)
        self.assertNotIn("unlisted", world.operator.probe("/metrics"))
        self.assertGreaterEqual(metric("databuild_job_log_lines_total", graph=world.name), 302)
        self.kube.kubectl("-n", world.name, "delete", "pod", pod["metadata"]["name"],
                          "--grace-period=0", "--force")
        run = self.ended(world)
        self.assertEqual((run.outcome, run.reason), ("DELETED", "PodDeleted"))
        # The kubelet may have stopped it before its pod was gone: then it had its say.
        self.check_kept(world, run_id, 300, ("PodGone", "NoReceipt"))

    def test_the_log_of_a_container_that_ran_out_of_memory_is_kept(self):
        def limit(spec):
            spec["containers"][0]["resources"] = {"limits": {"memory": "32Mi"}}

        world = self.start("hoards", HOARDS, limit)
        run = self.ended(world)
        self.assertEqual((run.outcome, run.reason), ("OUT_OF_MEMORY", "OutOfMemory"))
        # With cgroup v2 databuild-exec is killed as well.
        self.check_kept(world, run.run_id, 300, ("NoReceipt",))

    def test_the_log_of_a_run_whose_node_is_lost_is_kept_as_far_as_it_came(self):
        world = self.start("lost", TALKS)
        pod, run_id = self.run_of(world)
        shown = self.printed(self.shown(world, run_id)["entries"])
        node = pod["spec"]["nodeName"]
        self.addCleanup(self.bring_back, node)
        self.session.cluster("kill", "kubelet")
        self.kube.delete("Node", None, node)
        # The controller manager gives a pod without a node up after about a minute.
        run = self.ended(world, 180)
        self.assertEqual((run.outcome, run.reason), ("NODE_LOST", "NodeLost"))
        self.check_kept(world, run_id, len(shown), ("PodGone",))

    def bring_back(self, node):
        """The kubelet registers its node anew, and stops what runs there without a pod."""
        self.session.cluster("start", "kubelet")

        def ready():
            found = self.kube.get("Node", None, node) or {}
            return any(one["type"] == "Ready" and one["status"] == "True"
                       for one in found.get("status", {}).get("conditions", []))

        eventually(f"node {node} is back", ready, 60)
