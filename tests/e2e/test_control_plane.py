"""The API server and etcd go away and come back, and forget what was."""

import json
import signal
import urllib.request

from support.alone import AloneTest, quick_job
from support.graph import condition
from support.kube import KubeError
from support.session import long_form
from support.waiting import Deadline, eventually

ETCD = "http://127.0.0.1:2379/v3/kv/"
PATIENT = {"lease": {"duration": "120s", "renewDeadline": "100s", "retryPeriod": "1s"}}


def etcd(action, **body):
    request = urllib.request.Request(ETCD + action, json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def compact():
    """Forgets every revision but the newest."""
    revision = etcd("range", key="AA==")["header"]["revision"]
    etcd("compaction", revision=revision, physical=True)


class ControlPlaneTest(AloneTest):
    def open_busy(self, name, partitions):
        """A world with two levels of jobs of a second each, just begun."""
        world = self.open_world(name, settings=PATIENT)
        world.apply(quick_job("raw", "cp/raw/{n}", seconds="1"),
                    quick_job("top", "cp/top/{n}", ["cp/raw/{n}"], seconds="1"))
        world.operator.start()
        world.want("w", *[f"cp/top/{n}" for n in range(partitions)])
        eventually("the first Jobs are there", world.jobs, 30, every=0.05)
        return world

    def finish(self, world, partitions):
        """All became ready, with one Job for every partition."""
        def ready():
            try:
                found = self.kube.get("Want", world.name, "w")
            except KubeError as error:  # a server that is about to be ready
                raise AssertionError(str(error)) from error
            return condition(found, "Ready")["status"] == "True"

        eventually("the want is ready", ready, 120, every=0.5)
        world.settled(90)
        log = world.log()
        self.assertEqual([len(run.refs) for run in log.runs.values()], [1] * 2 * partitions)
        names = {write.body["metadata"]["name"] for write in world.plan.seen("create")}
        self.assertEqual(len(names), 2 * partitions)
        self.assertEqual(len(world.plan.seen("create")), 2 * partitions)

    def test_a_restarted_api_server_is_waited_for(self):
        world = self.open_busy("restarted", 4)
        self.session.cluster("restart", "kube-apiserver")
        self.finish(world, 4)

    def test_what_etcd_has_forgotten_is_listed_again(self):
        world = self.open_busy("compacted", 4)
        world.operator.signal(signal.SIGSTOP)
        self.kube.delete("Want", world.name, "w")
        uid = world.want("w", *[f"cp/top/{n}" for n in range(4)])["metadata"]["uid"]
        world.proxy.cut_watches()
        compact()
        self.session.cluster("restart", "kube-apiserver")
        compact()
        world.operator.signal(signal.SIGCONT)
        self.finish(world, 4)
        self.assertEqual(world.log().wants[uid].states[-1], "SATISFIED")
        self.assertGreater(
            world.operator.metric("databuild_informer_relists_total", resource="wants"), 1)

    @long_form
    def test_an_api_server_that_hangs_is_waited_for(self):
        world = self.open_busy("hung", 6)
        self.session.cluster("pause", "kube-apiserver")
        try:
            eventually("twenty seconds are over", pause_of(20), 30)
        finally:
            self.session.cluster("resume", "kube-apiserver")
        self.finish(world, 6)

    @long_form
    def test_a_killed_etcd_is_waited_for(self):
        world = self.open_busy("etcd", 6)
        self.session.cluster("kill", "etcd")
        self.session.cluster("start", "etcd")
        self.finish(world, 6)

    @long_form
    def test_a_killed_controller_manager_and_kubelet_are_waited_for(self):
        world = self.open_busy("kcm", 6)
        for part in ("kube-controller-manager", "kubelet"):
            self.session.cluster("kill", part)
        eventually("five seconds are over", pause_of(5), 30)
        for part in ("kube-controller-manager", "kubelet"):
            self.session.cluster("start", part)
        self.finish(world, 6)


def pause_of(seconds):
    """A condition that holds once so much time has passed: how long the fault lasts."""
    return Deadline(seconds).over
