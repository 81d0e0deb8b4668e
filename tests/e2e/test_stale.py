"""What an operator is shown may lag behind the cluster, go back in time, or miss what was between.

A proxy in front of the API server freezes watches and lists at a resourceVersion; reads of single
objects and writes go through, as they do on a real API server whose cache is behind.
"""

from support.alone import AloneTest, quick_job
from support.graph import condition
from support.session import long_form
from support.waiting import always, eventually
from test_crashes import moments


class StaleTest(AloneTest):
    def replace_want(self, world, name, ref):
        """Deletes the want and makes another one under its name; answers the new one's uid."""
        self.kube.delete("Want", world.name, name)
        self.kube.wait_for(("Want", world.name, name), "is gone", lambda found: found is None)
        return world.want(name, ref)["metadata"]["uid"]

    def assert_deletes_are_precise(self, world):
        self.assertGreater(len(world.proxy.deletes), 0)
        for path, body in world.proxy.deletes:
            self.assertTrue(body.get("preconditions", {}).get("uid"), f"DELETE {path}: {body}")

    def restart_into_the_past(self, moment):
        """Lives through a want and its successor of the same name, then starts again where lists and
        watches end at `moment`: "wanted" or "running"."""
        world = self.open_world(f"past-{moment}")
        world.apply(quick_job("one", "stale/{n}", seconds="1"))
        world.operator.start()
        world.want("w", "stale/1")
        if moment == "running":
            eventually("the Job is there", world.jobs, 30, every=0.05)
        past = self.kube.version("Job", world.name)
        world.wait("Want", "w", "Ready")
        new_uid = self.replace_want(world, "w", "stale/2")
        self.kube.wait_for(
            ("Want", world.name, "w"), "is ready, the second one",
            lambda found: condition(found, "Ready")["status"] == "True")
        before = moments(world.settled())
        jobs_made, position = len(world.plan.seen("create")), len(world.proxy.deletes)

        world.operator.kill()
        world.proxy.freeze(past)
        world.operator.start()
        world.operator.wait_ready()

        def unmoved():
            now = self.kube.get("Want", world.name, "w")
            return now and now["metadata"]["uid"] == new_uid and \
                "deletionTimestamp" not in now["metadata"] and \
                len(world.plan.seen("create")) == jobs_made

        always("nothing of the past is done again", unmoved, 6)
        tried = len(world.proxy.deletes) - position
        print(f"    in the past of '{moment}': {tried} deletes of what is gone in 6 s", flush=True)
        self.assertEqual(moments(world.api().events()), before)
        world.proxy.thaw()
        world.want("next", "stale/3")
        world.wait("Want", "next", "Ready")
        self.assertEqual(len(world.plan.seen("create")), jobs_made + 1)
        self.assertEqual(self.kube.get("Want", world.name, "w")["metadata"]["uid"], new_uid)
        after = moments(world.settled())
        self.assertEqual({key: value for key, value in after.items()
                          if "next" not in key and "stale/3" not in key}, before)
        self.assert_deletes_are_precise(world)

    @long_form
    def test_a_restart_into_the_past_where_a_want_was_new_does_nothing_again(self):
        self.restart_into_the_past("wanted")

    def test_a_restart_into_the_past_where_a_job_ran_does_nothing_again(self):
        self.restart_into_the_past("running")

    def test_what_was_deleted_and_made_again_unseen_is_a_new_object(self):
        world = self.open_world("unseen")
        world.apply(quick_job("one", "unseen/{n}"))
        world.operator.start()
        old_uid = world.want("w", "unseen/1")["metadata"]["uid"]
        world.wait("Want", "w", "Ready")
        world.settled()
        world.proxy.freeze(self.kube.version("Want", world.name))
        self.kube.delete("DataJob", world.name, "one")
        world.apply(quick_job("one", "unseen/{n}", retry={"limit": 0}))
        new_uid = self.replace_want(world, "w", "unseen/2")
        world.want("brief", "unseen/3")  # comes and goes without a trace
        self.kube.delete("Want", world.name, "brief")
        world.proxy.forget()
        self.kube.wait_for(("Want", world.name, "w"), "is ready, the second one",
                           lambda found: condition(found, "Ready")["status"] == "True")
        world.settled()
        log = world.log()
        self.assertEqual(log.wants[old_uid].states[-1], "CANCELLED")
        self.assertEqual(log.wants[new_uid].states, ["CREATED", "SATISFIED"])
        self.assertEqual(len(log.wants), 2)
        self.assertEqual(log.available(), {"unseen/1", "unseen/2"})
        self.assertGreater(
            world.operator.metric("databuild_informer_relists_total", resource="wants"), 1)
        self.assert_deletes_are_precise(world)

    def test_watches_that_are_cut_all_the_time_lose_nothing(self):
        world = self.open_world("cut")
        world.apply(quick_job("raw", "cut/raw/{n}"), quick_job("top", "cut/top/{n}", ["cut/raw/{n}"]))
        world.operator.start()
        world.want("w", *[f"cut/top/{n}" for n in range(4)])

        def ready():
            world.proxy.cut_watches()
            return condition(self.kube.get("Want", world.name, "w"), "Ready")["status"] == "True"

        eventually("the want is ready", ready, 90, every=0.5)
        world.settled()
        self.assertEqual(len(world.plan.seen("create")), 8)
