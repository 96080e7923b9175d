#!/usr/bin/env bash
# Installs what the tests of the packages need: shells, systemd's checker and its filter of system
# calls from Debian, and tools in Python under target/.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
made=$(cd "$here/../.." && pwd)/target/packaging

mkdir -p "$made"
made=$(cd "$made" && pwd -P)
exec 9>"$made/lock"
flock 9

unset PYTHONHOME PYTHONPATH
packages=()
for name in fish zsh; do
    [ -x "/usr/bin/$name" ] || packages+=("$name")
done
[ -x /usr/bin/systemd-analyze ] || packages+=(systemd)
dpkg-query -W -f='${Status}' man-db 2>/dev/null | grep -q ' installed$' || packages+=(man-db)
/usr/bin/python3 -c 'import seccomp' 2>/dev/null || packages+=(python3-seccomp)
/usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
    "$here/../clients/apt" "${packages[@]}" >"$made/apt.log" 2>&1 || { cat "$made/apt.log" >&2; exit 1; }
fi

stamp=$(echo "$made" && cat "$here/tools.txt")
[ "$(cat "$made/venv/stamp" 2>/dev/null || true)" != "$stamp" ] || exit 0
rm -rf "$made/venv"
/usr/bin/python3 -m venv "$made/venv"
PIP_DISABLE_PIP_VERSION_CHECK=1 "$made/venv/bin/pip" install --quiet --no-deps -r "$here/tools.txt"
"$made/venv/bin/pip" check --quiet
echo "$stamp" >"$made/venv/stamp"
