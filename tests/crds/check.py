#!/usr/bin/env python3
"""Checks the custom resource definitions in crds/ and what a real API server makes of them.

Without a cluster (--offline): every field has a description and every string, list and map a bound, the
definitions stay small, and this check itself notices when one of these is missing.

With a cluster (the default, both parts): applies crds/, waits until they are established, then runs the corpus
with --dry-run=server: good/ must be taken, bad/ refused with a message that names what its "# expect:" lines say,
update/ holds two documents, of which the first is created and the second applied over it.

Directives in the leading comments of a corpus file:
  # expect: TEXT              TEXT must be in the API server's answer; "ok" in update/: the change is allowed
  # fill: PATH COUNT WIDTH    puts COUNT different strings of WIDTH characters at PATH
  # text: PATH WIDTH          puts one string of WIDTH characters at PATH

Uses kubectl as found in $KUBECTL (default: kubectl) with the usual $KUBECONFIG. Standard library only.
"""

import argparse
import copy
import json
import pathlib
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor

from kubectl import kubectl, to_json

HERE = pathlib.Path(__file__).resolve().parent
CRDS = HERE.parent.parent / "crds"
NAMES = ("want.yaml", "taint.yaml", "datajob.yaml")
MAX_TOTAL_BYTES = 200 * 1024
COLUMNS = {
    "wants": ["NAME", "READY", "REASON", "PROGRESS", "SLA", "AGE", "PRIORITY", "SUSPEND", "MESSAGE", "BUILD"],
    "taints": ["NAME", "APPLIED", "REPAIRED", "REASON", "TAINTED", "FIXED", "AGE", "CASCADE", "COMMENT"],
    "datajobs": ["NAME", "ACCEPTED", "REASON", "ACTIVE", "SUCCEEDED", "FAILED", "AGE", "LABEL", "SUSPEND", "MESSAGE"],
}
EXPLAIN = {
    "want.spec.ranges.captures.step": "ISO 8601",
    "want.status.conditions": "Reconciling",
    "taint.spec.cascade": "transitively",
    "dj.spec.template.spec.containers.command": "entrypoint",
    "dj.spec.retry.infrastructureLimit": "lost without fault",
}


# ---- without a cluster -----------------------------------------------------------------------------------------


def lint_schema(schema, path):
    """Yields what is missing in one schema and below: descriptions and bounds."""
    if len(schema.get("description", "")) < 10:
        yield f"{path}: no description"
    kind = schema.get("type")
    bounded = "enum" in schema or "maxLength" in schema
    if (kind == "string" or schema.get("x-kubernetes-int-or-string")) and not bounded:
        yield f"{path}: a string without maxLength"
    if kind == "array":
        if "maxItems" not in schema:
            yield f"{path}: a list without maxItems"
        if "x-kubernetes-list-type" not in schema:
            yield f"{path}: a list without x-kubernetes-list-type"
        yield from lint_schema(schema["items"], path + "[]")
    if "additionalProperties" in schema:
        if "maxProperties" not in schema:
            yield f"{path}: a map without maxProperties"
        yield from lint_schema(schema["additionalProperties"], path + "{}")
    for rule in schema.get("x-kubernetes-validations", []):
        if len(rule.get("message", "")) < 20:
            yield f"{path}: a rule without a message that says what to do"
    for name, child in schema.get("properties", {}).items():
        # The API server describes metadata at the root itself and refuses a description there.
        if name != "metadata" or "." in path:
            yield from lint_schema(child, f"{path}.{name}")


def lint_definition(crd):
    """Yields what one CustomResourceDefinition lacks."""
    spec = crd["spec"]
    kind = spec["names"]["kind"]
    if "databuild" not in spec["names"].get("categories", []):
        yield f"{kind}: not in category databuild"
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        if version.get("subresources", {}).get("status") != {}:
            yield f"{kind}: no status subresource"
        if schema["properties"]["status"].get("default") != {"observedGeneration": -1}:
            yield f"{kind}: status has no default observedGeneration -1"
        if not any(c["name"] == "Age" for c in version["additionalPrinterColumns"]):
            yield f"{kind}: no Age column"
        yield from lint_schema(schema, kind)


def lint_notices_what_is_missing(crd):
    """Yields what the lint above would overlook: each change below must make it complain."""
    spec = ("spec", "versions", 0, "schema", "openAPIV3Schema", "properties", "spec", "properties")
    changes = {
        "a removed description": ("comment", "description"),
        "a removed maxLength": ("comment", "maxLength"),
        "a removed maxItems": ("partitions", "maxItems"),
        "a removed maxLength of an item": ("partitions", "items", "maxLength"),
        "a removed list type": ("partitions", "x-kubernetes-list-type"),
    }
    for what, where in changes.items():
        broken = copy.deepcopy(crd)
        node = broken
        for step in (*spec, *where[:-1]):
            node = node[step]
        node.pop(where[-1])
        if not list(lint_definition(broken)):
            yield f"this check does not notice {what}"


def count_fields(schema):
    below = list(schema.get("properties", {}).values())
    below += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    return 1 + sum(count_fields(child) for child in below)


def check_offline():
    """Returns (number of checked fields, failures)."""
    failures = []
    total = 0
    fields = 0
    for name in NAMES:
        text = (CRDS / name).read_text()
        total += len(text.encode())
        [crd] = to_json(text)
        failures += lint_definition(crd)
        fields += sum(count_fields(v["schema"]["openAPIV3Schema"]) for v in crd["spec"]["versions"])
        if name == "want.yaml":
            failures += lint_notices_what_is_missing(crd)
    if total >= MAX_TOTAL_BYTES:
        failures.append(f"crds/ holds {total} bytes; it must stay below {MAX_TOTAL_BYTES}")
    return fields, failures


# ---- the corpus ------------------------------------------------------------------------------------------------


def directives(text):
    """The leading comments as {word: [rest, ...]}."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            break
        word, _, rest = line[2:].partition(": ")
        found.setdefault(word, []).append(rest)
    return found


def put(value, path, item):
    *parents, last = path.split(".")
    for parent in parents:
        value = value[parent]
    value[last] = item


def load(text):
    """A corpus document as JSON text, with its fill and text directives carried out."""
    found = directives(text)
    if "fill" not in found and "text" not in found:
        return text
    [value] = to_json(text)
    for line in found.get("fill", []):
        path, count, width = line.split()
        put(value, path, [f"{n}/".ljust(int(width), "x") for n in range(int(count))])
    for line in found.get("text", []):
        path, width = line.split()
        put(value, path, "x" * int(width))
    return json.dumps(value)


def first_words(message):
    message = " ".join(message.split())
    return message if len(message) < 600 else message[:600] + " ..."


def missing_words(expected, answer):
    return [text for text in expected if text not in answer]


class Corpus:
    """The corpus against one namespace of a real API server."""

    def __init__(self, namespace):
        self.namespace = namespace

    def create(self, document, *flags):
        return kubectl("create", "-n", self.namespace, "-f", "-", *flags, stdin=document)

    def good(self, path):
        code, _, err = self.create(load(path.read_text()), "--dry-run=server")
        return None if code == 0 else f"must be accepted, but: {first_words(err)}"

    def bad(self, path):
        text = path.read_text()
        expected = directives(text).get("expect", [])
        if not expected:
            return "has no '# expect:' line"
        code, _, err = self.create(load(text), "--dry-run=server")
        if code == 0:
            return "must be refused, but was accepted"
        missing = missing_words(expected, err)
        return f"the refusal does not say {missing}: {first_words(err)}" if missing else None

    def update(self, path):
        text = path.read_text()
        before, after = text.split("\n---\n")
        expected = directives(text).get("expect", [])
        name = path.stem
        code, _, err = kubectl("apply", "-n", self.namespace, "-f", "-", stdin=self.named(before, name))
        if code != 0:
            return f"the first document must be accepted, but: {first_words(err)}"
        code, _, err = kubectl("apply", "-n", self.namespace, "--dry-run=server", "-f", "-",
                               stdin=self.named(after, name))
        if expected == ["ok"]:
            return None if code == 0 else f"the change must be allowed, but: {first_words(err)}"
        if code == 0:
            return "the change must be refused, but was accepted"
        missing = missing_words(expected, err)
        return f"the refusal does not say {missing}: {first_words(err)}" if missing else None

    @staticmethod
    def named(document, name):
        [value] = to_json(document)
        value["metadata"]["name"] = name
        return json.dumps(value)


def run_corpus(namespace):
    """Returns (number of cases, failures)."""
    corpus = Corpus(namespace)
    cases = [(kind, path) for kind in ("good", "bad", "update") for path in sorted((HERE / kind).glob("*.yaml"))]

    def run(case):
        kind, path = case
        problem = getattr(corpus, kind)(path)
        return f"{kind}/{path.name}: {problem}" if problem else None

    with ThreadPoolExecutor(max_workers=4) as pool:
        failures = [problem for problem in pool.map(run, cases) if problem]
    for kind, least in (("good", 15), ("bad", 40), ("update", 10)):
        if sum(1 for case in cases if case[0] == kind) < least:
            failures.append(f"{kind}/ holds fewer than {least} cases")
    return len(cases), failures


# ---- what a user sees ------------------------------------------------------------------------------------------


def check_columns(namespace):
    """Printer columns, the category and the default status, on the objects that update/ created."""
    for resource, columns in COLUMNS.items():
        code, out, err = kubectl("get", resource, "-n", namespace, "-o", "wide")
        header = out.splitlines()[0].split() if code == 0 and out else []
        if header != columns:
            yield f"kubectl get {resource} -o wide shows {header}, not {columns} {err.strip()}"
        code, out, err = kubectl("get", resource, "-n", namespace, "-o", "json")
        for item in json.loads(out)["items"] if code == 0 else []:
            if "observedGeneration" not in item.get("status", {}):
                yield f"{resource}/{item['metadata']['name']} has no status.observedGeneration"
    code, out, err = kubectl("get", "databuild", "-n", namespace, "-o", "name")
    kinds = {line.split("/")[0] for line in out.splitlines()}
    if kinds != {f"{resource[:-1]}.databuild.dev" for resource in COLUMNS}:
        yield f"kubectl get databuild shows only {sorted(kinds)} {err.strip()}"


def check_explain():
    """kubectl explain must print the descriptions, also of nested fields and by the short name."""
    for field, words in EXPLAIN.items():
        code, out, err = kubectl("explain", field)
        if code != 0 or words not in " ".join(out.split()):
            yield f"kubectl explain {field} does not say '{words}': {first_words(out + err)}"


def establish(apply):
    """Applies crds/ unless told that they are installed, and waits; yields what went wrong."""
    if apply:
        code, _, err = kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
        if code != 0:
            yield f"the API server refuses crds/: {err.strip()}"
            return
    names = [f"crd/{plural}.databuild.dev" for plural in COLUMNS]
    code, _, err = kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    if code != 0:
        yield f"the definitions are not established: {err.strip()}"
    code, out, err = kubectl("get", *names, "-o", "json")
    for crd in json.loads(out)["items"] if code == 0 else []:
        for condition in crd["status"]["conditions"]:
            if condition["type"] == "NonStructuralSchema" and condition["status"] == "True":
                yield f"{crd['metadata']['name']}: {condition['message']}"


def check_cluster(apply):
    """Returns (number of checks, failures)."""
    failures = list(establish(apply))
    if failures:
        return len(COLUMNS), failures
    namespace = f"crd-corpus-{secrets.token_hex(4)}"
    code, _, err = kubectl("create", "namespace", namespace)
    if code != 0:
        return 1, [f"cannot create namespace {namespace}: {err.strip()}"]
    try:
        count, failures = run_corpus(namespace)
        failures += check_columns(namespace)
        failures += check_explain()
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")
    return count + len(COLUMNS) + len(EXPLAIN), failures


def main():
    parser = argparse.ArgumentParser(description="Checks crds/ and runs its corpus against a real API server.")
    parser.add_argument("--offline", action="store_true", help="only what needs no cluster")
    parser.add_argument("--installed", action="store_true", help="use the definitions that the cluster already has")
    options = parser.parse_args()
    fields, failures = check_offline()
    done = f"{fields} fields"
    if not options.offline:
        cases, failed = check_cluster(apply=not options.installed)
        failures += failed
        done += f", {cases} cases against the API server"
    for failure in failures:
        print(f"FAIL {failure}")
    print(f"crds: checked {done}; {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
