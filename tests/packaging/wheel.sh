#!/usr/bin/env bash
# wheel.sh FOLDER: maturin builds the wheel, of the program as the tests build it, pip installs it in
# a fresh virtual environment, and pytest finds the fixture there by itself.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
home=$(cd "$1" && pwd -P)
tools=$top/target/packaging/venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONHOME PYTHONPATH

cd "$top"
"$tools/ruff" format --quiet --check
"$tools/ruff" check --quiet
"$tools/maturin" build --quiet --locked --profile dev --compatibility linux --out "$home"

/usr/bin/python3 -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet --no-deps "$home"/lobos_s3-*.whl -r "$here/installed.txt"
"$home/venv/bin/pip" check --quiet
"$tools/mypy" --strict --ignore-missing-imports \
    --python-executable "$home/venv/bin/python" -p lobos_s3

# From another folder, so that the package is the one that was installed.
cp "$here/test_fixture.py" "$home/"
cd "$home"
env -u LOBOS_BINARY venv/bin/python -m pytest -q -p no:cacheprovider test_fixture.py

# All that it brought goes with it.
venv/bin/pip uninstall --quiet --yes lobos-s3
[ ! -e venv/bin/lobos ]
