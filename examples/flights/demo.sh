#!/bin/bash
# DataBuild at work: January's flights become days, weeks and a month on a Kubernetes.
#
# `make demo` calls this (deploy/demo.sh) once the cluster can pull both images. It needs kubectl, helm,
# jq and curl in PATH, and:
#
#   KUBECONFIG                       the cluster
#   DATABUILD_IMAGE, FLIGHTS_IMAGE   images of the operator and of this example, with their tags
#   DEMO_KUBECTL                     how the reader calls kubectl on it (default: kubectl)
#   DEMO_STOP                        what removes the cluster, when it was made for the demonstration
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
system=databuild-system
graph=flights
port=${DEMO_PORT:-18080}
operator_image=${DATABUILD_IMAGE:-localhost/databuild:dev}
flights_image=${FLIGHTS_IMAGE:-localhost/databuild-flights:dev}

step() { printf '\n== %s\n' "$*"; }
show() { printf '$ %s\n' "$*" >&2; "$@"; }

flights() { kubectl -n "$graph" "$@"; }

apply() { sed "s|image: localhost/databuild-flights:dev|image: $flights_image|" "$@" | flights apply -f -; }

# api PATH: an answer of the operator's API for this graph.
api() { curl -fsS --max-time 20 -H "Authorization: Bearer $token" "http://127.0.0.1:$port/api/v1/graphs/$graph/$1"; }

install_operator() {
  step "The operator, by its Helm chart"
  show helm upgrade --install databuild "$root/helm/databuild" --namespace "$system" --create-namespace \
    --set "image.repository=${operator_image%:*},image.tag=${operator_image##*:}" --wait --timeout 5m >/dev/null
  kubectl -n "$system" get pods
}

open_api() {
  flights create serviceaccount viewer
  flights create rolebinding viewer --clusterrole=view --serviceaccount="$graph:viewer"
  token=$(flights create token viewer --audience=databuild)
  kubectl -n "$system" port-forward service/databuild "$port:8080" >/dev/null 2>&1 &
  forward=$!
  trap 'kill "$forward" 2>/dev/null || true' EXIT
  # Any answer will do: there is no such graph before the first object is in it.
  curl -sS --retry 30 --retry-delay 1 --retry-all-errors --max-time 5 -o /dev/null \
    -H "Authorization: Bearer $token" "http://127.0.0.1:$port/api/v1/graphs/$graph/wants" 2>/dev/null
}

# One line that says how far the want is, and what runs.
progress() {
  local done runs bar
  done=$(api "partitions?partition_status=available&page_size=500" | jq '.refs // [] | length')
  runs=$(api "job_runs?status=running&page_size=100" |
    jq -r '[.job_runs[]?.target_partitions[0].str | ltrimstr("flights/")] | sort |
      if length > 3 then (.[:3] | join("  ")) + "  and \(length - 3) more" else join("  ") end')
  bar=$(printf '%*s' $((done * 30 / total)) '' | tr ' ' '#')
  printf '[%-30s] %3d %%  %2d of %d partitions  %s' "$bar" $((done * 100 / total)) "$done" "$total" "$runs"
}

# follow NAME SECONDS: shows progress until the want is ready.
follow() {
  local deadline=$((SECONDS + $2)) line="" last="" ready=""
  while [ "$ready" != True ]; do
    ready=$(flights get want "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')
    line=$(progress) || line=$last
    if [ -t 1 ]; then
      printf '\r\033[K%s' "${line:0:$(tput cols 2>/dev/null || echo 100)}"
    elif [ "$line" != "$last" ]; then
      echo "$line"
    fi
    last=$line
    if [ $SECONDS -ge $deadline ]; then
      printf '\ndemo: want %s is not ready after %s s; this is what it says:\n' "$1" "$2" >&2
      flights describe want "$1" >&2
      exit 1
    fi
    sleep 1
  done
  if [ -t 1 ]; then echo; fi
}

build_january() {
  step "January: 31 raw days, 31 days in figures, 3 weeks and the month, each made by a Kubernetes Job"
  apply "$here/volume.yaml"
  for file in "$here"/jobs/*.yaml; do apply "$file"; done
  show flights apply -f "$here/want-january.yaml"
  total=66
  follow january 900
  show flights wait --for=condition=Ready want/january --timeout=60s
  show flights get wants,datajobs
}

check_figures() {
  step "The figures, compared with ones computed straight from the data set"
  flights delete job check --ignore-not-found >/dev/null
  apply "$here/check.yaml"
  for _ in $(seq 120); do
    case $(flights get job check -o 'jsonpath={.status.succeeded}/{.status.failed}') in 1/* | */1) break ;; esac
    sleep 1
  done
  flights logs job/check
  flights wait --for=condition=Complete job/check --timeout=5s >/dev/null
}

ask_api() {
  step "The same through the API"
  echo "partitions: /api/v1/graphs/$graph/partitions"
  api "partitions?ref_prefix=flights/weekly" | jq -r '.refs[] | "  \(.partition_ref.str)  \(.status.name)"'
  echo "runs: /api/v1/graphs/$graph/job_runs (the last three)"
  api "job_runs?page_size=3" | jq -r '.job_runs[] |
    "  \(.job_label)  \(.status_name)  \(.duration_ms) ms  \(.target_partitions[0].str)"'
  echo "events: /api/v1/graphs/$graph/events (what became of the month)"
  api "events?partition_refs=flights/monthly/month=2013-01&limit=100" | jq -r '.events[] |
    "  \(.idx)  \(.partition_event.status_code // .job_event.status_code
      // .delegation_event.delegated_to_build_request_id // .build_request_event.status.code
      // .want_event.lifecycle // "plan")"'
  echo "wants: /api/v1/graphs/$graph/wants"
  api wants | jq -r '.wants[].want | "  \(.name)  \(.status_name)  \(.total_partitions) partitions"'
}

taint_a_day() {
  step "The fifteenth turns out to be bad: it, its week and the month are built again"
  show flights apply -f "$here/taint-2013-01-15.yaml"
  show flights wait --for=condition=Repaired taint/bad-2013-01-15 --timeout=180s
  show flights wait --for=condition=Ready want/january --timeout=180s
  show flights get taints
  api "partitions?partition_status=available&page_size=500" | jq -r '.refs[] | select(.builds_count > 1) |
    "  built \(.builds_count) times: \(.partition_ref.str)"'
  check_figures
}

farewell() {
  local k=${DEMO_KUBECTL:-kubectl}
  local stop=${DEMO_STOP:-"$k delete namespace $graph; helm uninstall databuild -n $system"}
  step "Look further"
  cat <<TEXT
  $k -n $graph get databuild                       wants, taints and jobs
  $k -n $graph describe want january               conditions, and what needs attention
  $k -n $graph apply -f examples/flights/want-year.yaml     the whole year: 743 partitions
  $k explain want.spec                             what can be wanted
  $stop    remove it again
The demonstration itself took $SECONDS s.
TEXT
}

# A cluster that was made for demonstrations may still hold the last one, whose log knows January.
clear_away() {
  if ! kubectl get namespace "$graph" >/dev/null 2>&1 && ! kubectl get namespace "$system" >/dev/null 2>&1; then
    return
  fi
  if [ -z "${DEMO_STOP:-}" ]; then
    echo "demo: the cluster has a namespace $graph or $system already; remove them first, with all that they hold:" >&2
    echo "  kubectl delete namespace $graph $system" >&2
    exit 1
  fi
  step "Removing the former demonstration"
  kubectl delete namespace "$graph" --ignore-not-found
  helm uninstall databuild --namespace "$system" --ignore-not-found --wait
  kubectl delete namespace "$system" --ignore-not-found
  "$root/tests/e2e/cluster/cluster" recycle-volumes
}

clear_away
install_operator
kubectl create namespace "$graph"
kubectl label namespace "$graph" pod-security.kubernetes.io/enforce=restricted >/dev/null
open_api
build_january
check_figures
ask_api
taint_a_day
farewell
