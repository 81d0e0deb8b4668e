#!/usr/bin/env python3
"""Checks what a compiler does not: layers, sizes, names, leftovers, links. Prints each breach.

    tests/tidy.py [ROOT]

Exceptions stand in ALLOWED below, each with its reason; one that is no longer needed is a breach.
tests/tidy_test.py proves that every rule can fail.
"""

import pathlib
import sys

from tidy_rules import functions, layers, text, whole
from tidy_rules.tree import Finding, Tree

RULES = [
    layers.check_layers,
    layers.check_third_party,
    layers.check_planner_is_pure,
    text.check_file_length,
    text.check_line_length,
    text.check_white_space,
    text.check_leftovers,
    text.check_names,
    text.check_sleeping,
    text.check_skipping,
    functions.check_function_length,
    functions.check_parameters,
    whole.check_links,
    whole.check_crd_copies,
    whole.check_everything_is_built,
]

# (rule, path, reason)
ALLOWED = [
    ("third-party", "controller/api/http_session.h",
     "private to the server: only http_server.cc and http_session.cc include it"),
    ("third-party", "controller/api/tls_files.h",
     "private to the server: only http_server.cc and tls_files.cc include it"),
    ("sleeping", "bench/cluster_job_creation.cc",
     "looks at intervals at what the watches brought, bounded by the number of Jobs"),
    ("sleeping", "controller/kube/api_client_test.cc",
     "a stop that comes in the middle of a call needs a thread that comes later"),
    ("sleeping", "controller/kube/informer_test.cc",
     "spreads random changes over several watches; nothing depends on how"),
    ("sleeping", "tests/e2e/conformance/api_conformance_test.cc",
     "a stop that comes in the middle of a watch needs a thread that comes later"),
    ("sleeping", "tests/e2e/cluster/harness/processes.py",
     "a poll bounded by its number of rounds"),
    ("sleeping", "tests/e2e/fixtures/job.py", "a job that takes its time is what the fixture is"),
    ("sleeping", "tests/e2e/test_logs.py", "the operator lives for five seconds, again and again"),
    ("sleeping", "tests/e2e/test_quiet.py", "two idle minutes are what is measured"),
    ("sleeping", "tests/e2e/test_restarts.py", "the random moment at which the operator is killed"),
    ("sleeping", "tests/torture/socket_proxy.cc", "a late reply is the fault that it makes"),
    ("sleeping", "tests/torture/writer_main.cc", "callers and pollers that pause are the load"),
    ("sleeping", "wrapper/exec_process_test.cc",
     "looks several times at what must not change any more"),
    ("sleeping", "wrapper/process.cc", "a poll bounded by its number of rounds"),
]


def findings_of(tree, allowed):
    """Every breach, sorted, without the allowed ones."""
    found = sorted(finding for rule in RULES for finding in rule(tree))
    used = {(finding.rule, finding.path) for finding in found}
    kept = {(rule, path) for rule, path, _ in allowed}
    left = [finding for finding in found if (finding.rule, finding.path) not in kept]
    stale = [Finding(path, 1, rule, "tests/tidy.py allows what is not there; remove the exception")
             for rule, path, _ in allowed if (rule, path) not in used]
    return left + stale


def main(arguments):
    root = pathlib.Path(arguments[0]) if arguments else pathlib.Path(__file__).parents[1]
    findings = findings_of(Tree(root), ALLOWED)
    for finding in findings:
        print(finding)
    print(f"tidy: {len(findings)} breaches" if findings else "tidy: everything is in order")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
