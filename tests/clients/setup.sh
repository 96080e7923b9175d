#!/usr/bin/env bash
# Installs the S3 clients of the tests: boto3 and aws cli v1 under target/, aws cli v2 and curl.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
clients=$(cd "$here/../.." && pwd)/target/clients
venv=$clients/venv

mkdir -p "$clients"
exec 9>"$clients/lock"
flock 9 # test processes may start together

# Debian's own Python and aws, whatever else is first in PATH or set for another Python.
unset PYTHONHOME PYTHONPATH
packages=()
[ -x /usr/bin/aws ] || packages+=(awscli)
[ -x /usr/bin/curl ] || packages+=(curl)
/usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    "${apt[@]}" update
    "${apt[@]}" install -y --no-install-recommends "${packages[@]}" >"$clients/apt.log" 2>&1 ||
        { cat "$clients/apt.log" >&2; exit 1; }
fi

# A virtual environment works only where it was made, so the stamp holds its place too.
stamp=$(echo "$venv" && cat "$here/requirements.txt")
if [ "$(cat "$venv/stamp" 2>/dev/null || true)" != "$stamp" ]; then
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    "$venv/bin/pip" install --quiet --no-deps -r "$here/requirements.txt"
    "$venv/bin/pip" check --quiet
    echo "$stamp" >"$venv/stamp"
fi

for wanted in "$venv/bin/aws 1" "/usr/bin/aws 2"; do
    read -r aws major <<<"$wanted"
    version=$("$aws" --version 2>&1) || true
    case $version in
    "aws-cli/$major."*) ;;
    *) echo "$aws is not the aws cli v$major: $version" >&2; exit 1 ;;
    esac
done
