#!/usr/bin/env bash
# Installs the S3 clients of the tests: those in Python under target/, the others by apt;
# and what else the tests need: valgrind counts instructions, strace watches calls and makes them
# fail, and mkfs makes file systems to cut the power of or to share bytes on.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
clients=$(cd "$here/../.." && pwd)/target/clients

mkdir -p "$clients"
clients=$(cd "$clients" && pwd -P) # a virtual environment knows the place itself, not a link to it
exec 9>"$clients/lock"
flock 9 # test processes may start together

# Debian's own Python and clients, whatever else is first in PATH or set for another Python.
unset PYTHONHOME PYTHONPATH
packages=()
[ -x /usr/bin/aws ] || packages+=(awscli)
[ -x /usr/bin/chromedriver ] || packages+=(chromium chromium-driver)
for name in bindfs curl openssl rclone s3cmd s3fs strace valgrind; do
    [ -x "/usr/bin/$name" ] || packages+=("$name")
done
[ -x /usr/bin/fusermount ] || packages+=(fuse3)
[ -x /usr/sbin/mkfs.ext4 ] || packages+=(e2fsprogs)
[ -x /usr/sbin/mkfs.xfs ] || packages+=(xfsprogs)
[ -x /usr/sbin/mkfs.btrfs ] || packages+=(btrfs-progs)
/usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
    "$here/apt" "${packages[@]}" >"$clients/apt.log" 2>&1 || { cat "$clients/apt.log" >&2; exit 1; }
fi

# venv NAME FILE: a virtual environment works only where it was made, so its stamp holds the place.
venv() {
    local venv=$clients/$1 stamp
    stamp=$(echo "$clients/$1" && cat "$here/$2")
    [ "$(cat "$venv/stamp" 2>/dev/null || true)" != "$stamp" ] || return 0
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/pip" install --quiet --no-deps -r "$here/$2"
    "$venv/bin/pip" check --quiet
    echo "$stamp" >"$venv/stamp"
}
venv venv requirements.txt
venv venv-async requirements-async.txt

for wanted in "$clients/venv/bin/aws 1" "/usr/bin/aws 2"; do
    read -r aws major <<<"$wanted"
    version=$("$aws" --version 2>&1) || true
    case $version in
    "aws-cli/$major."*) ;;
    *) echo "$aws is not the aws cli v$major: $version" >&2; exit 1 ;;
    esac
done
