"""An independent judge of a graph's event log, fed with the events as the API shows them.

It knows the product's state machines as a table of its own and replays the log from idx 1. What it
finds wrong is a list of sentences; what it has learnt on the way (runs, instances, builds, wants)
serves the tests' own questions.
"""

import dataclasses
import datetime
import re

TABLE = {
    "instance": {
        None: {"REQUESTED"},
        "REQUESTED": {"ANALYZED", "AVAILABLE", "FAILED", "CANCELLED"},
        "ANALYZED": {"BUILDING", "FAILED", "CANCELLED"},
        "BUILDING": {"AVAILABLE", "FAILED", "CANCELLED", "ANALYZED"},
    },
    "run": {
        None: {"SCHEDULED", "SKIPPED"},
        "SCHEDULED": {"RUNNING", "COMPLETED", "FAILED", "CANCELLED"},
        "RUNNING": {"COMPLETED", "FAILED", "CANCELLED"},
    },
    "build": {
        None: {"RECEIVED"},
        "RECEIVED": {"PLANNING", "CANCELLED", "FAILED"},
        "PLANNING": {"ANALYSIS_COMPLETED", "PRECONDITION_FAILED", "FAILED", "CANCELLED"},
        "ANALYSIS_COMPLETED": {"EXECUTING", "COMPLETED", "FAILED", "CANCELLED"},
        "EXECUTING": {"COMPLETED", "FAILED", "PRECONDITION_FAILED", "CANCELLED"},
    },
    "want": {
        None: {"CREATED"},
        "CREATED": {"SATISFIED", "EXPIRED", "CANCELLED"},
        "UNSATISFIED": {"SATISFIED", "EXPIRED", "CANCELLED"},
        "SATISFIED": {"UNSATISFIED", "EXPIRED", "CANCELLED"},
    },
    "taint": {None: {"CREATED"}, "CREATED": {"REPAIRED", "LIFTED"}},
}
# Marks: where each may be set. None stands for every state that is not final.
MARKS = {
    ("want", "SLA_VIOLATED"): {"CREATED", "UNSATISFIED"},
    ("want", "UPDATED"): {"CREATED", "UNSATISFIED", "SATISFIED"},
    ("build", "graph"): {"PLANNING", "EXECUTING"},
    ("build", "cancel"): None,
    ("run", "cancel"): None,
    ("instance", "invalidated"): {"AVAILABLE"},
}
LIVE_RUN = {"SCHEDULED", "RUNNING"}
UNFINISHED_INSTANCE = {"REQUESTED", "ANALYZED", "BUILDING"}
ONE_BATCH = 8192  # events that are appended together lie at most so far apart


def is_final(entity, state):
    return state is not None and state not in TABLE[entity]


@dataclasses.dataclass
class Instance:
    instance_id: str
    ref: str
    owner: str  # the build that makes it
    state: str = None
    run: str = ""
    runs: list = dataclasses.field(default_factory=list)
    available_idx: int = 0
    tainted_by: str = ""
    external: bool = False
    cause: dict = dataclasses.field(default_factory=dict)
    job: str = ""


@dataclasses.dataclass
class Run:
    run_id: str
    job: str = ""
    refs: list = dataclasses.field(default_factory=list)
    instances: list = dataclasses.field(default_factory=list)
    state: str = None
    outcome: str = ""
    reason: str = ""
    build: str = ""
    first_idx: int = 0
    last_idx: int = 0
    configure: bool = False
    attempt: int = 0


@dataclasses.dataclass
class Build:
    build_id: str
    want_id: str = ""
    state: str = None
    cause: dict = dataclasses.field(default_factory=dict)
    states: list = dataclasses.field(default_factory=list)
    unproducible: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Want:
    want_id: str
    name: str = ""
    refs: list = dataclasses.field(default_factory=list)
    total: int = 0
    state: str = None
    states: list = dataclasses.field(default_factory=list)


def refs_in(items):
    return [item["str"] for item in items or []]


def values_of(capture):
    """The values of a CaptureRange over days, integers or a list; else None."""
    if capture.get("values"):
        return capture["values"]
    if re.fullmatch(r"\d+", capture["from"]):
        numbers = range(int(capture["from"]), int(capture["to"]) + 1, int(capture.get("step") or 1))
        return [str(number).zfill(len(capture["from"])) for number in numbers]
    step = re.fullmatch(r"P(\d+)D", capture.get("step") or "P1D")
    if not step:
        return None
    day, last = (datetime.date.fromisoformat(capture[name]) for name in ("from", "to"))
    days = range(0, (last - day).days + 1, int(step[1]))
    return [str(day + datetime.timedelta(days=number)) for number in days]


def expand(item):
    """The refs of a PartitionRange, or None when its steps are of a kind that no test uses."""
    refs = [item["ref"]]
    for name, capture in item.get("captures", {}).items():
        values = values_of(capture)
        if values is None:
            return None
        # The ref names the capture as {date} or {date:type}.
        slot = re.compile(r"\{" + re.escape(name) + r"(:[^{}]*)?\}")
        refs = [slot.sub(value, ref) for ref in refs for value in values]
    return refs


def delegated_refs(body):
    """The refs of a DelegationEvent: one, listed, or by range."""
    refs = refs_in(body.get("partition_refs"))
    if body.get("partition_ref", {}).get("str"):
        refs.append(body["partition_ref"]["str"])
    for item in body.get("ranges", []):
        refs += expand(item) or []
    return refs


class EventLog:
    """Feed it events in order; `problems` says what no correct log would hold."""

    def __init__(self, events=()):
        self.problems = []
        self.head = 0
        self.last_timestamp = 0
        self.event_ids = set()
        self.instances, self.runs, self.builds, self.wants, self.taints = {}, {}, {}, {}, {}
        self.definitions = {}   # job label -> its last definition
        self.delegations = []   # (idx, build, ref, owner, historical)
        self.marks = set()
        self.current = {}       # ref -> newest AVAILABLE instance id
        self.unfinished = {}    # ref -> instance id under way
        self.live = {}          # ref -> run id under way
        self.building_since = []  # (idx, instance id, run id)
        for event in events:
            self.feed(event)

    # -- the events -----------------------------------------------------------------------------

    def feed(self, event):
        idx = int(event.get("idx", 0))
        if idx != self.head + 1:
            self._wrong(idx, f"idx follows {self.head}: the log has a gap or repeats itself")
        self.head = idx
        timestamp = int(event.get("timestamp", 0))
        if timestamp <= self.last_timestamp:
            self._wrong(idx, f"timestamp {timestamp} does not follow {self.last_timestamp}")
        self.last_timestamp = timestamp
        if not event.get("event_id") or event["event_id"] in self.event_ids:
            self._wrong(idx, f"event id {event.get('event_id')!r} is missing or used before")
        self.event_ids.add(event.get("event_id"))

        handlers = {
            "build_request_event": self._build, "partition_event": self._partition,
            "job_event": self._job, "delegation_event": self._delegation,
            "job_graph_event": self._job_graph, "partition_invalidation_event": self._invalidation,
            "job_run_cancel_event": self._run_cancel, "build_cancel_event": self._build_cancel,
            "want_event": self._want, "taint_event": self._taint,
            "job_definition_event": self._definition, "adoption_event": self._adoption,
        }
        payloads = [name for name in handlers if name in event]
        if len(payloads) != 1:
            self._wrong(idx, f"has payloads {payloads}, expected one")
            return
        handlers[payloads[0]](idx, event[payloads[0]], event.get("build_request_id", ""))

    def _wrong(self, idx, sentence):
        self.problems.append(f"idx {idx}: {sentence}")

    def _move(self, idx, who, item, to):
        """`who`: (entity, name)."""
        entity, name = who
        if to not in TABLE[entity].get(item.state, set()):
            self._wrong(idx, f"{entity} {name}: from {item.state} to {to} is not legal")
        item.state = to

    def _mark(self, idx, who, item, mark):
        """`who`: (entity, name); `mark`: (name, detail)."""
        (entity, name), (mark, detail) = who, mark
        if item is None or item.state is None:
            self._wrong(idx, f"{entity} {name}: mark {mark} on something that does not exist")
            return
        allowed = MARKS[(entity, mark)]
        legal = not is_final(entity, item.state) if allowed is None else item.state in allowed
        if not legal:
            self._wrong(idx, f"{entity} {name}: mark {mark} in state {item.state}")
        key = (entity, name, mark, detail)
        if key in self.marks:
            self._wrong(idx, f"{entity} {name}: mark {mark} {detail} set twice")
        self.marks.add(key)

    def _build(self, idx, body, build_id):
        to = body["status"]["code"].removeprefix("BUILD_REQUEST_")
        build = self.builds.setdefault(build_id, Build(build_id))
        self._move(idx, ("build", build_id), build, to)
        build.states.append(to)
        build.want_id = body.get("want_id") or build.want_id
        build.cause = body.get("cause") or build.cause
        build.unproducible = body.get("unproducible") or build.unproducible

    def _partition(self, idx, body, build_id):
        to = body["status_code"].removeprefix("PARTITION_")
        key, ref = body.get("instance_id", ""), body["partition_ref"]["str"]
        instance = self.instances.setdefault(key, Instance(key, ref, build_id))
        if instance.ref != ref:
            self._wrong(idx, f"instance {key} was of {instance.ref} and is now of {ref}")
        self._move(idx, ("instance", f"{key} of {ref}"), instance, to)
        instance.job = body.get("job_label") or instance.job
        instance.external = instance.external or "external" in body
        if to == "REQUESTED":
            other = self.unfinished.get(ref)
            if other:
                self._wrong(idx, f"{ref}: a new instance while {other} is under way")
        if to in UNFINISHED_INSTANCE:
            self.unfinished[ref] = key
        elif self.unfinished.get(ref) == key:
            del self.unfinished[ref]
        if to == "BUILDING":
            instance.run = body.get("job_run_id", "")
            instance.runs.append(instance.run)
            self.building_since.append((idx, key, instance.run))
        elif to == "AVAILABLE":
            instance.available_idx = idx
            instance.tainted_by = body.get("tainted_by", "")
            self.current[ref] = key
        elif to == "FAILED":
            instance.cause = body.get("cause", {})
            if not instance.cause.get("reason") or not instance.cause.get("partition_ref"):
                self._wrong(idx, f"{ref} failed without naming a root cause: {instance.cause}")

    def _job(self, idx, body, build_id):
        to = body["status_code"].removeprefix("JOB_")
        key = body["job_run_id"]
        run = self.runs.setdefault(key, Run(key, build=build_id, first_idx=idx))
        self._move(idx, ("run", key), run, to)
        run.last_idx = idx
        run.job = body.get("job_label", {}).get("label") or run.job
        run.outcome = body.get("outcome", "").removeprefix("JOB_OUTCOME_") or run.outcome
        run.reason = body.get("reason") or run.reason
        run.configure = run.configure or body.get("kind") == "JOB_KIND_CONFIGURE"
        if run.configure:
            return
        if to == "SCHEDULED":
            run.refs = refs_in(body.get("target_partitions"))
            run.instances = body.get("instance_ids", [])
            run.attempt = int(body.get("attempt", 0))
            self._scheduled(idx, run, body.get("config", {}))
        elif to not in LIVE_RUN:
            for ref in run.refs:
                if self.live.get(ref) == key:
                    del self.live[ref]

    def _scheduled(self, idx, run, config):
        for ref in run.refs:
            if ref in self.live:
                self._wrong(idx, f"{ref}: run {run.run_id} starts while {self.live[ref]} is live")
            self.live[ref] = run.run_id
        for item in config.get("inputs", []):
            if item.get("dep_type_code") != "MATERIALIZE":
                continue
            ref = item["partition_ref"]["str"]
            instance = self.instances.get(self.current.get(ref))
            if instance is None:
                self._wrong(idx, f"run {run.run_id} starts before its input {ref} is available")
            elif instance.tainted_by:
                self._wrong(idx, f"run {run.run_id} starts on the tainted input {ref}")

    def _delegation(self, idx, body, build_id):
        owner = body["delegated_to_build_request_id"]
        refs = delegated_refs(body)
        if owner == build_id or owner not in self.builds:
            self._wrong(idx, f"build {build_id} delegates {refs[:3]} to {owner!r}")
        for ref in refs:
            self.delegations.append((idx, build_id, ref, owner, bool(body.get("historical"))))
            instance = self.instances.get(self.unfinished.get(ref) or self.current.get(ref))
            if instance is None:
                self._wrong(idx, f"{ref} is delegated to {owner}, but nobody makes or made it")

    def _job_graph(self, idx, body, build_id):
        part = f"{body.get('plan_number', 0)}/{body.get('part', 0)}"
        self._mark(idx, ("build", build_id), self.builds.get(build_id), ("graph", part))

    def _invalidation(self, idx, body, _):
        key, taint = body.get("instance_id", ""), body.get("taint_id", "")
        if not key:
            return
        instance = self.instances.get(key)
        self._mark(idx, ("instance", key), instance, ("invalidated", taint))
        if instance:
            instance.tainted_by = taint or "peer"

    def _run_cancel(self, idx, body, _):
        key = body["job_run_id"]
        self._mark(idx, ("run", key), self.runs.get(key), ("cancel", ""))

    def _build_cancel(self, idx, _, build_id):
        self._mark(idx, ("build", build_id), self.builds.get(build_id), ("cancel", ""))

    def _want(self, idx, body, _):
        to, key = body["lifecycle"].removeprefix("WANT_"), body["want_id"]
        want = self.wants.setdefault(key, Want(key))
        if to in ("SLA_VIOLATED", "UPDATED"):
            detail = f"{body.get('generation')}/{body.get('retry_token')}" if to == "UPDATED" else ""
            self._mark(idx, ("want", key), want, (to, detail))
            return
        self._move(idx, ("want", key), want, to)
        want.states.append(to)
        if to == "CREATED":
            want.name, want.total = body.get("name", ""), int(body.get("total_partitions", 0))
            want.refs = refs_in(body.get("requested_partitions"))
            for item in body.get("requested_ranges", []):
                want.refs += expand(item) or []
        elif to == "SATISFIED":
            for ref in want.refs:
                instance = self.instances.get(self.current.get(ref))
                if instance is None or instance.tainted_by:
                    self._wrong(idx, f"want {want.name} is satisfied, but {ref} is not there")

    def _taint(self, idx, body, _):
        to, key = body["lifecycle"].removeprefix("TAINT_"), body["taint_id"]
        taint = self.taints.setdefault(key, Want(key))
        self._move(idx, ("taint", key), taint, to)
        taint.states.append(to)
        taint.name = body.get("name") or taint.name
        if to == "LIFTED":
            for instance in self.instances.values():
                if instance.tainted_by == key:
                    instance.tainted_by = ""

    def _definition(self, _, body, __):
        self.definitions[body["job_label"]] = body

    def _adoption(self, idx, body, _):
        for key in body.get("instance_ids", []):
            instance = self.instances.get(key)
            if instance is None or instance.owner != body["from_build_request_id"]:
                self._wrong(idx, f"instance {key} is handed over by a build that does not own it")
            else:
                instance.owner = body["to_build_request_id"]

    # -- the end of the log ---------------------------------------------------------------------

    def check_end(self, quiet=True):
        """What must hold once the log is read to its end; quiet: nothing is under way any more."""
        for idx, key, run_id in self.building_since:
            run = self.runs.get(run_id)
            if run is None or abs(run.first_idx - idx) > ONE_BATCH or key not in run.instances:
                self._wrong(idx, f"instance {key} is BUILDING by {run_id!r}, which was not "
                                 "scheduled for it")
        for instance in self.instances.values():
            run = self.runs.get(instance.run)
            if instance.state == "AVAILABLE" and not instance.external:
                if run is None or run.state != "COMPLETED":
                    self._wrong(instance.available_idx, f"{instance.ref} is available, but its run "
                                f"{instance.run!r} is {run and run.state}")
            if quiet and not is_final("instance", instance.state):
                self._wrong(self.head, f"{instance.ref} is {instance.state} at rest")
        if quiet:
            for run in self.runs.values():
                if not is_final("run", run.state):
                    self._wrong(self.head, f"run {run.run_id} of {run.job} is {run.state} at rest")
            for build in self.builds.values():
                if not is_final("build", build.state):
                    self._wrong(self.head, f"build {build.build_id} is {build.state} at rest")
        return self.problems

    # -- what tests ask -------------------------------------------------------------------------

    def available(self):
        """The refs with a current instance."""
        return set(self.current)

    def runs_of(self, ref, *states):
        """The runs that were started for a ref, in order; only those in one of the states, if any."""
        runs = [run for run in self.runs.values() if ref in run.refs]
        runs = [run for run in runs if not states or run.state in states]
        return sorted(runs, key=lambda run: run.first_idx)

    def instances_of(self, ref):
        return [instance for instance in self.instances.values() if instance.ref == ref]

    def want(self, name):
        """The newest want of this name."""
        found = [want for want in self.wants.values() if want.name == name]
        assert found, f"the log knows no want {name}"
        return found[-1]

    def builds_of(self, want_name):
        key = self.want(want_name).want_id
        return [build for build in self.builds.values() if build.want_id == key]
