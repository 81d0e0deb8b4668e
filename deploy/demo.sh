#!/bin/bash
# Everything the demo needs, then the demo itself (examples/flights/demo.sh).
#
#   deploy/demo.sh OPERATOR_IMAGE FLIGHTS_IMAGE                on a cluster made on this machine
#   deploy/demo.sh OPERATOR_IMAGE FLIGHTS_IMAGE KUBECONFIG     on an existing one that can pull both images
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export DATABUILD_IMAGE=$1 FLIGHTS_IMAGE=$2
kubeconfig=${3:-}
started=$SECONDS
step() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - started)); }

if [ -n "$kubeconfig" ]; then
  [ -r "$kubeconfig" ] || { echo "demo: cannot read KUBECONFIG $kubeconfig" >&2; exit 1; }
  export KUBECONFIG=$kubeconfig DEMO_KUBECTL="kubectl --kubeconfig=$kubeconfig" DEMO_STOP=
  for program in kubectl helm jq curl; do
    command -v $program >/dev/null && continue
    step "Installing $program and others that are not on this machine (once)"
    deploy/packages.sh cluster
    tools=$(tests/e2e/cluster/tools dir kubernetes helm)
    export PATH=$PATH:${tools//$'\n'/:}
  done
  exec examples/flights/demo.sh
fi

if [ "$(id -u)" -ne 0 ]; then
  echo "demo: starting a Kubernetes of its own needs root: sudo make demo" >&2
  echo "demo: or use a cluster that you have: make demo KUBECONFIG=FILE IMAGE=registry/name" >&2
  exit 1
fi
cluster=tests/e2e/cluster/cluster
export DEMO_KUBECTL="$cluster --name demo kubectl" DEMO_STOP="make demo-stop"

step "Debian packages"
deploy/packages.sh all
step "Compiling the operator"
make --no-print-directory programs
step "Starting a Kubernetes (the first time it is compiled from its Go modules: about 10 minutes)"
$cluster --name demo up
step "Building and loading the images"
operator=$(deploy/image.sh operator build/release "$DATABUILD_IMAGE")
flights=$(deploy/image.sh flights "$FLIGHTS_IMAGE")
$cluster --name demo load-image "$operator" "$flights"
step "The demo"
exec $cluster --name demo exec -- examples/flights/demo.sh
