#!/bin/bash
# Makes of a package its own later version, whose journal has one more version of tables; or the same again, quick to unpack.
#
# usage: tests/package/repack.sh later|same DEB NEW_DEB
set -euo pipefail

kind=$1 deb=$2 new=$3
work=$(mktemp -d "$new.XXXXXX")
trap 'rm -rf "$work"' EXIT
dpkg-deb --raw-extract "$deb" "$work/tree"
if [ "$kind" = later ]; then
    modules=$(echo "$work"/tree/usr/lib/dockd/lib/python3*/site-packages/dockd)
    sed -i 's/^Version: .*/&+later/' "$work/tree/DEBIAN/control"
    # shellcheck disable=SC2016 # expanded by the script that is changed
    sed -i 's/^newest=\([0-9]*\)$/newest=$((\1 + 1))/' "$work/tree/DEBIAN/preinst"
    sed -i 's/^__version__ = "\(.*\)"$/__version__ = "\1+later"/' "$modules/__init__.py"
    printf '\nMIGRATIONS += (("CREATE TABLE later (it INTEGER) STRICT",),)\n' >>"$modules/journal/schema.py"
    # The package's byte code is not checked against its source.
    rm "$modules"/__pycache__/__init__.* "$modules"/journal/__pycache__/schema.*
    (cd "$work/tree" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
fi
dpkg-deb --root-owner-group -Znone --build "$work/tree" "$new" >/dev/null
