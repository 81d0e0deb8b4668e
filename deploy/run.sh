#!/bin/bash
# Runs the operator from a build folder as a plain process (a debugger can be attached) against the
# development cluster; its log and data lie under build/run, its API on 127.0.0.1:8080 of the cluster's
# network: tests/e2e/cluster/cluster exec -- curl http://127.0.0.1:8080/...
#
#   deploy/run.sh BUILD_FOLDER [FLAG...]      a flag more for the operator
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=$1
shift
cluster=tests/e2e/cluster/cluster
image=localhost/databuild:run  # job pods take the wrapper from it

$cluster up
$cluster load-image "$(deploy/image.sh operator "$build" $image)" >/dev/null
$cluster kubectl apply --server-side -f crds >/dev/null
mkdir -p build/run
cat >build/run/config.yaml <<CONFIG
bel: {uri: "sqlite://$PWD/build/run/bel.db"}
dataDir: "$PWD/build/run"
lease: {enabled: false}
api: {listen: "127.0.0.1:8080", auth: none}
metrics: {listen: "127.0.0.1:9090"}
jobs: {wrapperImage: "$image"}
CONFIG
exec $cluster exec -- sh -c 'exec "$0" --config=build/run/config.yaml \
  --kubeconfig="$KUBECONFIG" "$@"' "$build/controller/databuild-controller" "$@"
