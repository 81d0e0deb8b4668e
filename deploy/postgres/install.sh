#!/bin/bash
# Installs the development Postgres into a namespace of the current cluster and waits until it answers.
#
#   deploy/postgres/install.sh NAMESPACE [IMAGE]
#
# It leaves the Secret databuild-postgres with a random password; its key `uri` is what the chart's
# bel.postgres.existingSecret wants. A second call keeps the password and the data.
set -euo pipefail

namespace=$1
image=${2:-localhost/databuild-postgres:dev}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace"
if ! kubectl -n "$namespace" get secret databuild-postgres >/dev/null 2>&1; then
  password=$(openssl rand -hex 24)
  kubectl -n "$namespace" create -f - <<SECRET
apiVersion: v1
kind: Secret
metadata: {name: databuild-postgres}
stringData:
  POSTGRES_USER: databuild
  POSTGRES_DB: databuild
  POSTGRES_PASSWORD: $password
  uri: postgres://databuild:$password@databuild-postgres.$namespace.svc:5432/databuild
SECRET
fi
sed "s|localhost/databuild-postgres:dev|$image|" "$here/postgres.yaml" | kubectl -n "$namespace" apply -f -
kubectl -n "$namespace" rollout status statefulset/databuild-postgres --timeout=120s
