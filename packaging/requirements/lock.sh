#!/bin/bash
# Renews the hash-locked requirements from pyproject.toml, for every Python and platform that dockd runs on.
#
# usage: packaging/requirements/lock.sh [--upgrade]
#
# uv is not a dependency of dockd; it is fetched into a folder of its own for this one job.
set -euo pipefail
cd "$(dirname "$0")/../.."

tool=build/lock-tool
if [ ! -x "$tool/bin/uv" ]; then
    .venv/bin/python -m venv "$tool"
    "$tool/bin/pip" install --quiet uv
fi

lock() {
    local output=$1
    shift
    "$tool/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
        pyproject.toml "$@" -o "$output"
}
lock packaging/requirements/runtime.txt "$@"
lock packaging/requirements/dev.txt --group dev --group bench "$@"
"$tool/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
    packaging/requirements/servers.in "$@" -o packaging/requirements/servers.txt
