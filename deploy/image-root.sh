#!/bin/bash
# Gathers the file system of the operator's image: the stripped programs of a build folder, the shared
# libraries they load, certificates, and the licence texts of every Debian package a library came from.
#
#   deploy/image-root.sh BUILD_FOLDER TARGET_FOLDER
set -euo pipefail

build=$1 target=$2
programs=(controller/databuild-controller wrapper/databuild-exec tools/bel/databuild-bel)

rm -rf "$target"
mkdir -p "$target"/{tmp,etc/ssl/certs,usr/lib/ssl,usr/share/databuild}
chmod 1777 "$target/tmp"

for program in "${programs[@]}"; do
  strip --strip-unneeded -o "$target/$(basename "$program")" "$build/$program"
done

# Lines of ldd: "libpq.so.5 => /lib/x86_64-linux-gnu/libpq.so.5 (0x...)" and the loader "/lib64/ld-... (0x...)".
for program in "$target"/databuild-*; do
  ldd "$program" 2>/dev/null | sed -nE 's/^.*=> (\/[^ ]+) .*$/\1/p; s/^\t(\/[^ ]+) \(.*$/\1/p' || true
done | sort -u >"$target/usr/share/databuild/libraries"
if ldd "$target/databuild-controller" | grep 'not found'; then
  echo "image-root: databuild-controller needs libraries that are not installed" >&2
  exit 1
fi

package_of() {  # dpkg knows a library by the path it was packed with: with or without /usr
  dpkg-query -S "$1" 2>/dev/null || dpkg-query -S "/usr$1" 2>/dev/null || dpkg-query -S "$(realpath "$1")"
}
while read -r library; do
  install -D -m 755 "$(realpath "$library")" "$target$library"
  package_of "$library" | cut -d: -f1
done <"$target/usr/share/databuild/libraries" | sort -u | while read -r package; do
  dpkg-query -W -f '${Package} ${Version}\n' "$package" | head -1
  install -D -m 644 "/usr/share/doc/$package/copyright" "$target/usr/share/doc/$package/copyright"
done >"$target/usr/share/databuild/packages"

cp /etc/ssl/certs/ca-certificates.crt "$target/etc/ssl/certs/"
ln -s /etc/ssl/certs "$target/usr/lib/ssl/certs"
ln -s /etc/ssl/certs/ca-certificates.crt "$target/usr/lib/ssl/cert.pem"
echo "hosts: files dns" >"$target/etc/nsswitch.conf"
echo "databuild:x:65532:65532::/tmp:/nonexistent" >"$target/etc/passwd"
echo "databuild:x:65532:" >"$target/etc/group"
