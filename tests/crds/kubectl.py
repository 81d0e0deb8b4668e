"""kubectl for checks: runs it, and uses it as the YAML reader that Python's standard library lacks."""

import json
import os
import shlex
import subprocess

KUBECTL = shlex.split(os.environ.get("KUBECTL", "kubectl"))
DEADLINE_SECONDS = 60


def kubectl(*args, stdin=None):
    """Runs kubectl; returns (exit code, stdout, stderr). A refusal is an answer; a missing program raises."""
    done = subprocess.run([*KUBECTL, *args], input=stdin, capture_output=True, text=True,
                          timeout=DEADLINE_SECONDS, check=False)
    return done.returncode, done.stdout, done.stderr


def documents(text):
    """The JSON values that stand one after another in a text, those of a Kubernetes List one by one."""
    decoder = json.JSONDecoder()
    values = []
    text = text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        text = text[end:].lstrip()
        values += value["items"] if value.get("kind") == "List" else [value]
    return values


def to_json(yaml_text):
    """The objects of a YAML text as Python values, in order. Converted on this machine alone (--local)."""
    code, out, err = kubectl("annotate", "--local", "-f", "-", "-o", "json", "check=1", stdin=yaml_text)
    if code != 0:
        raise ValueError(f"kubectl cannot read the document: {err.strip()}")
    values = documents(out)
    for value in values:
        value["metadata"]["annotations"].pop("check")
        if not value["metadata"]["annotations"]:
            value["metadata"].pop("annotations")
    return values


def plain_yaml_to_json(yaml_text):
    """A YAML text that is no Kubernetes object, as a Python value."""
    indented = "".join(f"  {line}\n" for line in yaml_text.splitlines())
    head = "apiVersion: v1\nkind: Wrapped\nmetadata: {name: wrapped}\nwrapped:\n"
    return to_json(head + indented)[0]["wrapped"]
