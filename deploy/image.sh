#!/bin/bash
# Builds container images on a Debian machine without Docker and prints the path of the archive
# (docker-archive, for `tests/e2e/cluster/cluster load-image` or `docker load`). What has been built from
# the same content before comes from the cache: $XDG_CACHE_HOME/databuild/images. Needs root.
#
#   image.sh operator BUILD_FOLDER [NAME]     the operator, from programs compiled in BUILD_FOLDER
#   image.sh postgres [NAME]                  the development Postgres
#   image.sh flights [NAME]                   the jobs of examples/flights
#   image.sh push ARCHIVE NAME                sends an archive to the registry that NAME begins with
#   image.sh build NAME DOCKERFILE CONTEXT [BASE] [ARG=VALUE...]     any other Dockerfile
#
# BASE, given to the Dockerfile as build argument: bookworm (a minimal Debian 12, the default) or
# python (the same with python3). NAME is a full one, like localhost/databuild:dev.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/databuild
say() { echo "image: $*" >&2; }

buildah() {
  command buildah --root "$cache/buildah/root" --runroot "$cache/buildah/run" --storage-driver overlay "$@"
}

# base NAME: makes sure that localhost/databuild-base:NAME exists.
base() {
  local name=$1 tar=$cache/bases/$1.tar container include=()
  case $name in
    bookworm) ;;
    python) include=(--include=python3) ;;
    *) say "unknown base $name; know: bookworm, python"; exit 2 ;;
  esac
  if [ ! -e "$tar" ]; then
    say "making the base image $name with mmdebstrap (once)"
    mkdir -p "$cache/bases"
    mmdebstrap --quiet --variant=minbase "${include[@]}" --include=ca-certificates \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      bookworm "$tar.new.tar" >&2
    mv "$tar.new.tar" "$tar"
  fi
  if ! buildah inspect --type image "localhost/databuild-base:$name" >/dev/null 2>&1; then
    container=$(buildah from scratch)
    buildah add -q "$container" "$tar" / >/dev/null
    buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd bash "$container"
    buildah commit -q --rm "$container" "localhost/databuild-base:$name" >/dev/null
  fi
}

# key DOCKERFILE CONTEXT WORDS...: a digest of everything that the image is made of.
key() {
  local file=$1 context=$2
  shift 2
  { cat "$file" && printf '%s\n' "$@" &&
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$context" -cf - .; } |
    sha256sum | cut -c1-16
}

# build NAME DOCKERFILE CONTEXT BASE ARG=VALUE...
build() {
  local name=$1 file=$2 context=$3 base_name=$4 archive started=$SECONDS args=() pair
  shift 4
  archive=$cache/images/$(basename "${name%:*}")-$(key "$file" "$context" "$name" "$base_name" "$@").tar
  if [ ! -e "$archive" ]; then
    say "building $name"
    base "$base_name"
    for pair; do args+=(--build-arg "$pair"); done
    buildah build -q --isolation chroot --layers=false --build-arg "BASE=localhost/databuild-base:$base_name" \
      "${args[@]}" -t "$name" -f "$file" "$context" >&2
    mkdir -p "$cache/images"
    # Of each name the four youngest stay (a key has 16 characters: databuild-flights is another name).
    { ls -t "${archive%-*}"-????????????????.tar 2>/dev/null || true; } | tail -n +4 | xargs -r rm -f
    rm -f "$archive.new"
    buildah push -q "$name" "docker-archive:$archive.new:$name" >&2
    buildah rmi "$name" >/dev/null
    mv "$archive.new" "$archive"
    say "built $name in $((SECONDS - started)) s ($(($(stat -c %s "$archive") / 1000000)) MB)"
  fi
  echo "$archive"
}

operator() {
  local folder=$1 name=$2
  context=$(mktemp -d)  # not local: the trap runs when this function is over
  trap 'rm -rf "$context"' EXIT
  "$here/image-root.sh" "$folder" "$context/image"
  build "$name" "$here/Dockerfile" "$context" bookworm BUILD=prebuilt
}

mkdir -p "$cache" && exec 9>"$cache/images.lock" && flock 9
case ${1:-} in
  operator) operator "$2" "${3:-localhost/databuild:dev}" ;;
  postgres) build "${2:-localhost/databuild-postgres:dev}" "$here/postgres/Dockerfile" "$here/postgres" bookworm ;;
  flights)
    "$here/../examples/flights/fetch.sh" >&2
    example=$here/../examples/flights
    build "${2:-localhost/databuild-flights:dev}" "$example/Dockerfile" "$example" python
    ;;
  push)
    say "pushing $3"
    image_id=$(buildah pull -q "docker-archive:$2")
    buildah push "$image_id" "docker://$3" >&2
    ;;
  build) build "$2" "$3" "$4" "${5:-bookworm}" "${@:6}" ;;
  *) sed -n '2,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
