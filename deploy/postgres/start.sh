#!/bin/sh
# Makes the database on the first start (user and password from POSTGRES_USER, POSTGRES_PASSWORD,
# database POSTGRES_DB) and runs the server in place of this shell.
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  umask 077
  mkdir -p "$PGDATA"
  password=$(mktemp)
  printf '%s' "$POSTGRES_PASSWORD" >"$password"
  initdb --username="$POSTGRES_USER" --pwfile="$password" --auth=scram-sha-256 --encoding=UTF8 \
    --locale=C.UTF-8
  rm "$password"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  if [ "$POSTGRES_DB" != postgres ]; then
    echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -D "$PGDATA" postgres >/dev/null
  fi
fi
chmod 0700 "$PGDATA"  # a new pod's fsGroup opened it to the group, and then Postgres does not start
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp
