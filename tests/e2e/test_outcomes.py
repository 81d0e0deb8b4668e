"""Every way a run can end that this cluster can produce: its outcome, its reason, what follows."""

from support.graph import condition, data_job
from support.session import EndToEndTest, key, long_form
from support.waiting import eventually

SLOT = "databuild.test/slot"  # a resource of which the node has one: whoever preempts gets it
SEVERE = {"limit": 0, "infrastructureLimit": 0, "backoff": "1s", "maxBackoff": "1s"}
ASLEEP = ["--sleep=300"]


class OutcomeTest(EndToEndTest):
    """Runs that end in many ways, side by side: job and want bear the name of the ref."""

    def begin(self, name, options=(), change=None, **spec):
        """One job, one want; `change` edits the pod template."""
        spec = {"retry": SEVERE, **spec}
        item = data_job(name, f"out/{name}", options=options, image=self.graph.image, **spec)
        if change:
            change(item["spec"]["template"]["spec"])
        self.graph.apply(item)
        self.graph.want(name, f"out/{name}")

    def pod_of(self, name):
        """The pod of the job's run, once its command has started."""
        eventually(f"the run of {name} has started",
                   lambda: self.graph.journal().starts(f"out/{name}"), 90)
        pods = self.kube.list("Pod", self.graph.name, f"databuild.dev/job={name}")
        return pods[0]["metadata"]

    def end_of(self, name, seconds=90):
        """Outcome and reason of the first run."""
        def look():
            runs = self.graph.log().runs_of(f"out/{name}", "FAILED", "COMPLETED", "CANCELLED")
            return runs[0] if runs else None

        run = eventually(f"the run of {name} has ended", look, seconds, every=0.5)
        if run.outcome != "SUCCEEDED":
            found = self.graph.wait("Want", name, "Stalled", reason="BuildFailed")
            self.assertEqual(condition(found, "Ready")["status"], "False")
        return f"{run.outcome} {run.reason}"


class MostOutcomesTest(OutcomeTest):
    def container(self, **fields):
        return lambda spec: spec["containers"][0].update(fields)

    def node(self):
        return self.kube.list("Node")[0]["metadata"]["name"]

    def start_all(self):
        self.begin("succeeds")
        self.begin("fails", ["--always-fail"])
        self.begin("hoards", ["--memory=400"],
                   self.container(resources={"limits": {"memory": "64Mi"}}))
        self.begin("dawdles", ASLEEP, timeout="3s")
        self.begin("orphans", ["--kill-parent"],
                   lambda spec: spec.update(shareProcessNamespace=True))
        self.begin("absent", change=self.container(command=["/no/such/program"]))
        for name in ("loses-job", "loses-pod", "evicted"):
            self.begin(name, ASLEEP)

    def strike(self):
        """A third party deletes a Job, a pod with grace 0, and evicts a pod."""
        owner = self.pod_of("loses-job")["ownerReferences"][0]["name"]
        self.kube.delete("Job", self.graph.name, owner, propagation="Background")
        self.kube.delete("Pod", self.graph.name, self.pod_of("loses-pod")["name"], grace=0)
        pod = self.pod_of("evicted")["name"]
        self.kube.request(
            "POST", f"/api/v1/namespaces/{self.graph.name}/pods/{pod}/eviction",
            {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}})

    @key
    def test_every_end_of_a_run_has_its_reason(self):
        self.start_all()
        self.strike()
        expected = {
            "succeeds": "SUCCEEDED Succeeded",
            "fails": "FAILED ExitCode",
            "hoards": "OUT_OF_MEMORY OutOfMemory",
            "dawdles": "TIMEOUT Timeout",
            "orphans": "NO_RECEIPT NoReceipt",
            "absent": "FAILED LaunchFailed",
            "loses-job": "DELETED JobDeleted",
            "loses-pod": "DELETED PodDeleted",
            "evicted": "EVICTED Evicted"}
        found = {name: self.end_of(name) for name in expected}
        # The pod's end may be seen before its Job's.
        self.assertIn(found["loses-job"], (expected["loses-job"], "DELETED PodDeleted"))
        self.assertEqual(found | {"loses-job": expected["loses-job"]}, expected)

    def test_a_run_that_is_preempted_says_so(self):
        node = self.node()
        self.kube.request("PATCH", f"/api/v1/nodes/{node}/status",
                          {"status": {"capacity": {SLOT: "1"}}},
                          content_type="application/merge-patch+json")
        for name, value in (("e2e-low", 1), ("e2e-high", 1000)):
            self.kube.create({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                              "metadata": {"name": name}, "value": value})
            self.addCleanup(self.kube.delete, "PriorityClass", None, name)

        def low(spec):
            spec["priorityClassName"] = "e2e-low"
            spec["containers"][0]["resources"] = {"limits": {SLOT: "1"}}

        def high(spec):
            spec["priorityClassName"] = "e2e-high"
            spec["containers"][0]["resources"] = {"limits": {SLOT: "1"}}

        self.begin("victim", ASLEEP, low)
        self.pod_of("victim")
        self.begin("victor", change=high)
        self.assertEqual(self.end_of("victim"), "PREEMPTED Preempted")
        self.assertEqual(self.end_of("victor"), "SUCCEEDED Succeeded")


class SlowOutcomesTest(OutcomeTest):
    """What cannot start is given two minutes; a node that went away is missed after a while."""

    @long_form
    def test_a_pod_that_cannot_start_ends_its_run(self):
        def missing_secret(spec):
            spec["containers"][0]["env"] = [{"name": "KEY", "valueFrom": {"secretKeyRef": {
                "name": "no-such-secret", "key": "key"}}}]

        def bad_image(spec):
            spec["containers"][0]["image"] = "databuild.test/no-such-image:1"

        def broken_image(spec):
            spec["containers"][0]["image"] = "NOT an image"

        self.begin("bad-image", change=bad_image)
        self.begin("broken-image", change=broken_image)
        self.begin("no-secret", change=missing_secret)
        self.assertIn(self.end_of("bad-image", 200),
                      ("IMAGE_PULL ErrImagePull", "IMAGE_PULL ImagePullBackOff"))
        self.assertEqual(self.end_of("broken-image"), "IMAGE_PULL InvalidImageName")
        self.assertEqual(self.end_of("no-secret"), "CONFIG_ERROR CreateContainerConfigError")

        def no_pods():
            return not self.kube.list("Pod", self.graph.name, "databuild.dev/job=bad-image")

        eventually("the pod that could not start is gone", no_pods, 30)

    @long_form
    def test_a_run_on_a_node_that_is_removed_is_lost(self):
        node = f"{self.graph.name[:40]}-node"
        self.kube.create({"apiVersion": "v1", "kind": "Node",
                          "metadata": {"name": node, "labels": {"e2e/phantom": node}}})
        self.addCleanup(self.kube.delete, "Node", None, node)
        self.kube.request("PATCH", f"/api/v1/nodes/{node}/status",
                          {"status": {"capacity": {"cpu": "1", "memory": "1Gi", "pods": "9"},
                                      "conditions": [{"type": "Ready", "status": "True"}]}},
                          content_type="application/merge-patch+json")

        def elsewhere(spec):
            spec["nodeSelector"] = {"e2e/phantom": node}
            spec["tolerations"] = [{"operator": "Exists"}]
            del spec["volumes"], spec["containers"][0]["volumeMounts"]

        self.begin("lost", change=elsewhere)
        eventually("its pod is on the node", lambda: [
            pod for pod in self.kube.list("Pod", self.graph.name, "databuild.dev/job=lost")
            if pod["spec"].get("nodeName") == node], 60)
        self.kube.delete("Node", None, node)
        self.assertEqual(self.end_of("lost", 180), "NODE_LOST NodeLost")


class MissingDependenciesTest(EndToEndTest):
    @key
    def test_what_a_run_misses_is_made_and_the_run_is_tried_again(self):
        self.graph.job("rates", "rates/{n}", options=["--sleep=3"])
        self.graph.job("revenue", "revenue/{n}", options=["--misses=rates/1,rates/2"])
        self.graph.job("stubborn", "stubborn/{n}", options=["--always-misses=rates/3"])
        self.graph.accepted("rates", "revenue", "stubborn")
        self.graph.want("good", "revenue/1")
        self.graph.want("bad", "stubborn/1")
        waits = self.graph.wait("Want", "good", "Ready", "False", "WaitingForInputs")
        self.assertIn("rates/", condition(waits, "Ready")["message"])
        self.graph.ready("good")
        stalled = self.graph.wait("Want", "bad", "Stalled", reason="BuildFailed")
        self.assertIn("was given rates/3 and reported it missing again",
                      condition(stalled, "Stalled")["message"])

        log = self.graph.settled_log()
        self.assertEqual([run.outcome for run in log.runs_of("revenue/1")],
                         ["MISSING_DEPENDENCIES", "SUCCEEDED"])
        self.assertEqual(len(log.runs_of("stubborn/1")), 2)
        self.assertEqual(set(self.graph.file("revenue/1")["inputs"]), {"rates/1", "rates/2"})

    def test_the_manifest_of_a_run_says_what_it_read(self):
        self.graph.job("raw", "raw/{n}")
        self.graph.job("sum", "sum/{n}", ["raw/1", "raw/2"], options=["--manifest"])
        self.graph.accepted("raw", "sum")
        self.graph.want("w", "sum/1")
        self.graph.ready("w")
        manifest = self.graph.api().page("partitions/sum%2F1")["manifests"][0]
        self.assertEqual(manifest["metadata"], {"sum/1": "made from 2"})
        self.assertEqual([item["ref"] for item in manifest["input_instances"]], ["raw/2"])
        self.assertTrue(manifest["input_instances"][0]["instance_id"])
        # Only what was read counts for the cascade of a taint.
        self.graph.taint("unread", "raw/1", cascade="Downstream")
        self.graph.wait("Taint", "unread", "Applied")
        self.assertEqual(self.graph.get("Taint", "unread")["status"]["partitions"]
                         .get("downstream", 0), 0)
        self.graph.taint("read", "raw/2", cascade="Downstream")
        self.graph.wait("Taint", "read", "Applied")
        self.graph.ready("w")
        self.assertEqual(len(self.graph.settled_log().runs_of("sum/1")), 2)


class ConfigureTest(EndToEndTest):
    @key
    def test_an_image_is_asked_how_its_partitions_are_made(self):
        self.graph.job("raw", "raw/{n}")
        # Longer than a receipt: it is read from the log.
        self.graph.job("asked", "asked/{n}", configure="Container",
                       options=["--config-inputs=raw/1,raw/2", "--config-pad=20000"])
        self.graph.job("silent", "silent/{n}", configure="Container", options=["--config-silent"])
        self.graph.accepted("raw", "asked", "silent")
        self.graph.want("good", "asked/1", "asked/2")
        self.graph.want("bad", "silent/1")
        self.graph.ready("good")
        self.assertEqual(set(self.graph.file("asked/2")["inputs"]), {"raw/1", "raw/2"})
        stalled = self.graph.wait("Want", "bad", "Stalled", reason="BuildFailed")
        self.assertIn("JobConfigureResponse", condition(stalled, "Stalled")["message"])
        self.graph.wait("DataJob", "silent", "Configured", "False", "ConfigInvalid")
        self.graph.wait("DataJob", "asked", "Configured", "True")

        log = self.graph.settled_log()
        asked = [run for run in log.runs.values() if run.configure and run.job == "asked"]
        self.assertEqual([run.state for run in asked], ["COMPLETED"], "one call for both")
        self.assertEqual(len(log.runs_of("asked/1")), 1)
