"""What every list and summary of the API must say, folded from the events alone.

`differences(graph_api)` asks for the events, then for all lists and summaries, and answers with one
sentence for every figure that is not what the events say. The graph must be at rest.
"""

import collections
import urllib.parse

from support.event_log import EventLog, delegated_refs, refs_in

ENDED = {"COMPLETED", "FAILED", "CANCELLED"}


def number(value):
    """Numbers of 64 bits are strings in JSON; what is not there is 0."""
    return int(value or 0)


class Fold:
    """Times and counts beside the states that EventLog knows."""

    def __init__(self, events):
        self.log = EventLog(events)
        self.head = self.log.head
        self.updated = {}  # ref -> time of its last event
        self.instances_of = collections.Counter()
        self.invalidations = collections.Counter()
        self.run_times = collections.defaultdict(dict)  # run -> scheduled, started, ended
        self.build_times = collections.defaultdict(dict)
        self.skipped = collections.Counter()  # by build
        self.hit = collections.Counter()      # by taint
        self.delegated = collections.defaultdict(set)  # by build
        self.timelines = collections.defaultdict(list)  # ref or run -> idx of what happened to it
        for event in events:
            self._take(event, int(event["timestamp"]))

    def _take(self, event, now):
        build = event.get("build_request_id", "")
        if "partition_event" in event:
            body = event["partition_event"]
            ref = body["partition_ref"]["str"]
            self.timelines[ref].append(number(event["idx"]))
            self.updated[ref] = now
            self.instances_of[ref] += body["status_code"] == "PARTITION_REQUESTED"
        elif "partition_invalidation_event" in event:
            body = event["partition_invalidation_event"]
            self.timelines[body["partition_ref"]["str"]].append(number(event["idx"]))
            self.updated[body["partition_ref"]["str"]] = now
            self.invalidations[body["partition_ref"]["str"]] += 1
        elif "job_run_cancel_event" in event:
            run = event["job_run_cancel_event"]["job_run_id"]
            self.timelines[run].append(number(event["idx"]))
        elif "job_event" in event:
            self.timelines[event["job_event"]["job_run_id"]].append(number(event["idx"]))
            self._run(event["job_event"], build, now)
        elif "build_request_event" in event:
            times = self.build_times[build]
            state = event["build_request_event"]["status"]["code"].removeprefix("BUILD_REQUEST_")
            times.setdefault({"RECEIVED": "requested", "EXECUTING": "started"}.get(state, state), now)
            if state in ENDED | {"PRECONDITION_FAILED"}:
                times["ended"] = now
        elif "adoption_event" in event:  # what was left to another is one's own now
            body = event["adoption_event"]
            self.delegated[body["to_build_request_id"]] -= set(refs_in(body.get("partition_refs")))
        elif "delegation_event" in event:
            refs = set(delegated_refs(event["delegation_event"]))
            self.delegated[build] |= refs
            for ref in refs:
                self.timelines[ref].append(number(event["idx"]))
        elif "taint_event" in event:
            body = event["taint_event"]
            if body["lifecycle"] == "TAINT_CREATED":
                self.hit[body["taint_id"]] = len(body.get("tainted_instances", []))

    def _run(self, body, build, now):
        times = self.run_times[body["job_run_id"]]
        state = body["status_code"].removeprefix("JOB_")
        if state == "SKIPPED":
            self.skipped[build] += 1
        if state in ("SCHEDULED", "SKIPPED"):
            times["scheduled"] = now
        if state == "RUNNING" or number(body.get("started_at")):
            times["started"] = number(body.get("started_at")) or times.get("started") or now
        if state in ENDED:
            times["ended"] = number(body.get("finished_at")) or now

    def runs(self):
        return [run for run in self.log.runs.values() if not run.configure]

    def count(self, runs, *states):
        return sum(run.state in states for run in runs)


class Differences(list):
    def expect(self, what, said, folded):
        if said != folded:
            self.append(f"{what}: the API says {said!r}, the events {folded!r}")


def differences(api):
    found = Differences()
    fold = Fold(api.events())
    found += fold.log.problems
    _partitions(api, fold, found)
    _runs(api, fold, found)
    _jobs(api, fold, found)
    _builds(api, fold, found)
    _wants(api, fold, found)
    _taints(api, fold, found)
    _first_generation(api, fold, found)
    _activity(api, fold, found)
    return found


def _rows(api, resource, field, found):
    """All rows, through pages of three, and that the list's own total agrees."""
    rows = api.walk(resource, field, page_size=3)
    page = api.page(resource)
    if page["total_count_known"]:
        found.expect(f"total of {resource}", number(page["total_count"]), len(rows))
    return rows


def _partitions(api, fold, found):
    rows = {row["partition_ref"]["str"]: row for row in _rows(api, "partitions", "refs", found)}
    found.expect("partitions", sorted(rows), sorted(set(rows) | set(fold.updated)))
    for ref, last in fold.updated.items():
        row = rows.get(ref, {})
        instance = fold.log.instances.get(fold.log.current.get(ref))
        found.expect(f"{ref}: builds", number(row.get("builds_count")), fold.instances_of[ref])
        found.expect(f"{ref}: invalidations", number(row.get("invalidation_count")),
                     fold.invalidations[ref])
        found.expect(f"{ref}: last update", number(row.get("last_updated")), last)
        if instance is None:
            continue
        found.expect(f"{ref}: tainted", row.get("tainted"), bool(instance.tainted_by))
        if instance.tainted_by:
            continue
        found.expect(f"{ref}: status", row.get("status", {}).get("name"), "available")
        summary = api.partition(ref)
        found.expect(f"{ref}: instance", summary["partition"]["instance_id"], instance.instance_id)
        found.expect(f"{ref}: run", summary["partition"]["job_run_id"], instance.run)
        states = {item["instance_id"]: item["status_name"] for item in summary["instances"]}
        folded = {item.instance_id: item.state.lower() for item in fold.log.instances_of(ref)}
        found.expect(f"{ref}: instances", states, folded)


def _runs(api, fold, found):
    rows = {row["job_run_id"]: row for row in _rows(api, "job_runs", "job_runs", found)}
    found.expect("job runs", set(rows), {run.run_id for run in fold.runs()})
    for run in fold.runs():
        row, times = rows.get(run.run_id, {}), fold.run_times[run.run_id]
        what = f"run {run.run_id}"
        found.expect(f"{what}: status", row.get("status_name"), run.state.lower())
        found.expect(f"{what}: job", row.get("job_label"), run.job)
        found.expect(f"{what}: scheduled", number(row.get("scheduled_at")), times["scheduled"])
        if run.state in ENDED:
            found.expect(f"{what}: ended", number(row.get("completed_at")), times["ended"])
        if run.state in ENDED and "started" in times:
            found.expect(f"{what}: duration", number(row.get("duration_ms")),
                         (times["ended"] - number(row.get("started_at"))) // 1_000_000)
        if run.state != "SKIPPED":
            refs = [item["str"] for item in row.get("target_partitions", [])]
            found.expect(f"{what}: targets", refs, run.refs)
            one = api.page(f"job_runs/{run.run_id}")["job_run"]
            found.expect(f"{what}: summary", one, row)


def _jobs(api, fold, found):
    rows = {row["job_label"]: row for row in _rows(api, "jobs", "jobs", found)}
    labels = set(fold.log.definitions) | {run.job for run in fold.runs()}
    found.expect("jobs", set(rows), labels)
    for label in labels:
        row, runs = rows.get(label, {}), [run for run in fold.runs() if run.job == label]
        done, failed = fold.count(runs, "COMPLETED"), fold.count(runs, "FAILED")
        found.expect(f"{label}: runs", row.get("total_runs"),
                     len(runs) - fold.count(runs, "SKIPPED"))
        found.expect(f"{label}: completed", row.get("successful_runs"), done)
        found.expect(f"{label}: failed", row.get("failed_runs"), failed)
        found.expect(f"{label}: skipped", row.get("skipped_runs"), fold.count(runs, "SKIPPED"))
        ratio = done / (done + failed) if done + failed else None
        found.expect(f"{label}: success", row.get("success_ratio"), ratio)
        if done:
            made = sum(len(run.refs) for run in runs if run.state == "COMPLETED")
            found.expect(f"{label}: mean", row.get("average_partitions_per_run"), made / done)
        newest = max(runs, key=lambda run: run.first_idx, default=None)
        if newest:
            found.expect(f"{label}: last run", row.get("last_run_status_name"),
                         newest.state.lower())


def _builds(api, fold, found):
    rows = {row["build_request_id"]: row for row in _rows(api, "builds", "builds", found)}
    found.expect("builds", set(rows), set(fold.log.builds))
    for key, build in fold.log.builds.items():
        row, times = rows.get(key, {}), fold.build_times[key]
        runs = [run for run in fold.runs() if run.build == key]
        delegated = fold.delegated[key]
        what = f"build {key}"
        found.expect(f"{what}: status", row.get("status", {}).get("name"), build.state.lower())
        found.expect(f"{what}: want", row.get("want_id"), build.want_id)
        found.expect(f"{what}: requested", number(row.get("requested_at")), times["requested"])
        found.expect(f"{what}: completed", number(row.get("completed_at")), times.get("ended", 0))
        found.expect(f"{what}: runs", row.get("total_jobs"),
                     len(runs) - fold.count(runs, "SKIPPED"))
        found.expect(f"{what}: completed runs", row.get("completed_jobs"),
                     fold.count(runs, "COMPLETED"))
        found.expect(f"{what}: skipped", row.get("skipped_jobs"), fold.skipped[key])
        found.expect(f"{what}: delegated", row.get("delegated_partitions"), len(delegated))
        planned = row.get("total_jobs", 0) + fold.skipped[key] + len(delegated)
        reuse = (fold.skipped[key] + len(delegated)) / planned if planned else None
        found.expect(f"{what}: reuse", row.get("reuse_ratio"), reuse)
        made = {item.ref for item in fold.log.instances.values() if item.owner == key}
        shown = api.walk(f"builds/{key}", "partitions", page_size=7)
        mine = {item["ref"]["str"] for item in shown if item.get("instance_id")}
        found.expect(f"{what}: partitions made", mine, made)
        found.expect(f"{what}: each once", len({item["ref"]["str"] for item in shown}), len(shown))
        chart = api.page(f"builds/{key}/mermaid")["mermaid"]
        found.expect(f"{what}: chart", chart.startswith("flowchart "), True)


def _wants(api, fold, found):
    rows = {row["want"]["want_id"]: row for row in _rows(api, "wants", "wants", found)}
    found.expect("wants", set(rows), set(fold.log.wants))
    for key, want in fold.log.wants.items():
        row = rows.get(key, {"want": {}, "counts": {}})
        usable = [ref for ref in want.refs
                  if ref in fold.log.current
                  and not fold.log.instances[fold.log.current[ref]].tainted_by]
        found.expect(f"want {want.name}: status", row["want"].get("status_name"),
                     want.state.lower())
        found.expect(f"want {want.name}: total", number(row["counts"].get("total")),
                     len(want.refs))
        one = api.want(key)["want"]
        found.expect(f"want {want.name}: summary", one["counts"]["available"],
                     row["counts"].get("available"))
        if want.state in ("CANCELLED", "EXPIRED"):
            continue  # no longer followed: its counts are of its end
        found.expect(f"want {want.name}: available", number(row["counts"].get("available")),
                     len(usable))


def _taints(api, fold, found):
    rows = {row["taint_id"]: row for row in _rows(api, "taints", "taints", found)}
    found.expect("taints", set(rows), set(fold.log.taints))
    for key, taint in fold.log.taints.items():
        row = rows.get(key, {})
        found.expect(f"taint {taint.name}: status", row.get("status_name"), taint.state.lower())
        found.expect(f"taint {taint.name}: hit", number(row.get("tainted_count")), fold.hit[key])
        one = api.page(f"taints/{key}")["taint"]
        found.expect(f"taint {taint.name}: summary", one, row)


def _first_generation(api, fold, found):
    """The older lists and details say the same, and details what happened when."""
    for resource, field, newer in (("partitions", "partitions", "refs"), ("jobs", "jobs", "jobs"),
                                   ("job_runs", "tasks", "job_runs"), ("builds", "builds", "builds")):
        older = api.walk(f"lists/{resource}", field, limit=4)
        found.expect(f"older list of {resource}", len(older), len(api.walk(resource, newer)))
    for ref in fold.instances_of:
        detail = api.page(f"details/partitions/{urllib.parse.quote(ref, safe='')}")
        found.expect(f"{ref}: timeline", [number(item["idx"]) for item in detail["timeline"]],
                     fold.timelines[ref])
        found.expect(f"{ref}: builds in detail", detail["builds_count"], fold.instances_of[ref])
    for run in fold.runs():
        detail = api.page(f"details/job_runs/{run.run_id}")
        found.expect(f"run {run.run_id}: timeline",
                     [number(item["idx"]) for item in detail["timeline"]],
                     fold.timelines[run.run_id])
    for key, build in fold.log.builds.items():
        detail = api.page(f"details/builds/{key}")
        states = [item["status"]["name"] for item in detail["timeline"] if item.get("status")]
        found.expect(f"build {key}: end of its timeline", states[-1:], [build.state.lower()])


def _activity(api, fold, found):
    said = api.page("activity")
    wants = [want.state for want in fold.log.wants.values()]
    open_builds = [build for key, build in fold.log.builds.items()
                   if "ended" not in fold.build_times[key]]
    found.expect("open builds", said["active_builds_count"], len(open_builds))
    found.expect("live wants", said["live_wants_count"],
                 sum(state not in ("CANCELLED", "EXPIRED") for state in wants))
    found.expect("state of the system", said["system_status"], "ok")
