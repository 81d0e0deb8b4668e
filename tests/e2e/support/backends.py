"""The operator with its log in SQLite on a volume, or in a Postgres inside the cluster."""

import pathlib
import subprocess

from support.operator import NAMESPACE

POSTGRES = pathlib.Path(__file__).resolve().parents[3] / "deploy" / "postgres"
POSTGRES_NAMESPACE = "databuild-postgres"


def install(session):
    """A fresh operator with an empty log."""
    remove(session)
    values = ["log.level=debug", "jobs.keepFinishedFor=10s"]
    if session.bel == "postgres":
        values.append("bel.postgres.existingSecret=" + _postgres(session))
    session.operator.install(*values)
    session.operator.wait_ready()


def remove(session):
    """Takes away the release, its namespace and what the tests left behind."""
    kube = session.kube
    session.wait_left()
    if kube.get("Namespace", None, NAMESPACE):
        if kube.list("Secret", NAMESPACE, "owner=helm"):
            session.operator.uninstall()
    for namespace in (NAMESPACE, POSTGRES_NAMESPACE):  # volumes of logs go with them
        kube.delete("Namespace", None, namespace)
        kube.wait_for(("Namespace", None, namespace), "is gone", lambda found: found is None, 120)
    for binding in kube.list("ClusterRoleBinding", labels="e2e=databuild"):
        kube.delete("ClusterRoleBinding", None, binding["metadata"]["name"])
    session.recycle_volumes()


def _postgres(session):
    """Starts the development Postgres in a namespace of its own; answers the Secret with its URI."""
    kube = session.kube
    done = subprocess.run([str(POSTGRES / "install.sh"), POSTGRES_NAMESPACE], capture_output=True,
                          text=True, timeout=240, check=False)
    assert done.returncode == 0, f"deploy/postgres/install.sh: {done.stdout}{done.stderr}"
    secret = kube.get("Secret", POSTGRES_NAMESPACE, "databuild-postgres")
    if not kube.get("Namespace", None, NAMESPACE):
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bel-uri"},
                 "data": {"uri": secret["data"]["uri"]}}, NAMESPACE)
    return "bel-uri"
