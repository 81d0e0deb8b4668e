"""What the runs of fixtures/job.py wrote about themselves, and which of them overlapped."""

import collections
import json


class Journal:
    def __init__(self, path):
        self.path = path

    def lines(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def starts(self, ref):
        return [line for line in self.lines() if line["what"] == "start" and ref in line["refs"]]


def overlaps(lines):
    """A sentence for every ref that two runs made at the same time.

    A run that never noted its end was killed; it counts as over when the next one of its ref begins,
    unless the journal shows it alive later.
    """
    spans = {}
    for line in lines:
        span = spans.setdefault(line["run"], {"refs": line["refs"], "start": None, "end": None})
        if line["what"] == "start" and span["start"] is not None:
            return [f"run {line['run']} was started twice"]
        span[line["what"]] = line["at"]
    by_ref = collections.defaultdict(list)
    for run, span in spans.items():
        for ref in span["refs"]:
            by_ref[ref].append((span["start"], span["end"], run))
    found = []
    for ref, runs in by_ref.items():
        runs.sort()
        for (_, end, first), (start, _, second) in zip(runs, runs[1:]):
            if end is not None and end > start:
                found.append(f"{ref}: run {second} began while {first} was at work")
    return found
