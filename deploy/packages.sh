#!/bin/bash
# Installs the Debian 12 packages that this repository needs; does nothing, quickly, when all are there.
#
#   deploy/packages.sh [build|image|cluster|all]   (default: all)
#
#   build    compile DataBuild and run its unit, contract and Postgres tests
#   image    what the container image is compiled with: build, without what only tests and developers use
#   cluster  build images and start the test cluster (tests/e2e/cluster)
set -euo pipefail

image=(
  g++ cmake ninja-build ccache pkg-config
  libcpprest-dev libyaml-cpp-dev libprotobuf-dev protobuf-compiler libprotoc-dev libpq-dev
  prometheus-cpp-dev libgtest-dev libgmock-dev libboost-dev libboost-system-dev libsqlite3-dev
  libsimdjson-dev nlohmann-json3-dev libre2-dev libspdlog-dev libcli11-dev libzstd-dev libssl-dev
  zlib1g-dev libbenchmark-dev libabsl-dev libjemalloc-dev
)
build=("${image[@]}" ca-certificates clang-format git make postgresql python3 python3-yaml python3-venv
  curl jq prometheus clang-14 libclang-rt-14-dev)
cluster=(
  ca-certificates containerd runc containernetworking-plugins iptables conntrack iproute2 socat openssl
  buildah mmdebstrap busybox-static binutils curl jq unzip python3 python3-yaml python3-venv git make
)

case ${1:-all} in
  image) wanted=("${image[@]}") ;;
  build) wanted=("${build[@]}") ;;
  cluster) wanted=("${cluster[@]}") ;;
  all) wanted=("${build[@]}" "${cluster[@]}") ;;
  *) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

# Kubernetes is compiled from its Go modules. Debian 12's Go is too old for that but able to fetch a
# newer one (tests/e2e/cluster/tools), so it is installed only where there is no Go at all.
case ${1:-all} in
  cluster | all) command -v go >/dev/null || wanted+=(golang-go) ;;
esac

# tests/connect runs a client of the npm registry; any Node.js from 18.14 on will do.
case ${1:-all} in
  build | all) command -v npm >/dev/null || wanted+=(nodejs npm) ;;
esac

mapfile -t installed < <(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null |
  sed -n 's/ installed$//p')
missing=()
for package in "${wanted[@]}"; do
  [[ " ${installed[*]} " == *" $package "* ]] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
echo "packages: installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
if [ "$(id -u)" -ne 0 ]; then
  echo "packages: this needs root; run: sudo $0 ${1:-all}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# Services of these packages (a Postgres, a Prometheus, a containerd) are not wanted running: the tests
# start their own. policy-rc.d is Debian's way to say so; an existing one is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy
  trap 'rm -f "$policy"' EXIT
fi
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -30 "$log" >&2
  echo "packages: apt-get failed (all of its output: $log)" >&2
  exit 1
fi
rm -f "$log"
