#!/bin/bash
# Builds the Debian package for one release in a clean root of it: build/deb/SUITE/dockd_VERSION_ARCH.deb, judged by lintian.
#
# usage: packaging/deb/build.sh SUITE       SUITE is 12 or 13
#
# The wheels are fetched first, by the release's own pip, and checked against the lock file's hashes; the build itself has no network.
# DEBIAN_MIRROR=URL takes Debian's packages from elsewhere than mmdebstrap would.
set -euo pipefail
cd -P "$(dirname "$0")/../.."
. packaging/deb/chroot.sh

[ $# -eq 1 ] || stop "usage: $0 SUITE"
[ "$(id -u)" -eq 0 ] || stop "making roots of Debian takes root: sudo make deb"
suite=$1

packed "$suite" build ca-certificates,debhelper,lintian,man-db,python3,python3-pip
unpacked "$packed"

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' dockd/__init__.py)+deb$suite
tree=$root/build/dockd
mkdir -p "$tree"
git -c safe.directory='*' ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    if [ -e "$file" ]; then printf '%s\0' "$file"; fi
done | tar -c --null -T - | tar -C "$tree" -x
cp -R packaging/debian "$tree/debian"
# The date is the last commit's, so that the same tree makes the same package.
cat >"$tree/debian/changelog" <<END
dockd ($version) ${SUITES[$suite]}; urgency=medium

  * See CHANGELOG.md in /usr/share/doc/dockd.

 -- $(sed -n 's/^Maintainer: //p' packaging/debian/control)  $(git -c safe.directory='*' log -1 --format=%aD)
END

lock=packaging/requirements/runtime.txt
wheels=build/deb/wheels/$suite-$(sha256sum <$lock | cut -c1-8)
if [ ! -e "$wheels/complete" ]; then
    say "fetching the wheels for Debian $suite"
    rm -rf "build/deb/wheels/$suite-"*
    inside python3 -m pip --disable-pip-version-check download --quiet --retries 10 --no-cache-dir --require-hashes --no-deps \
        --only-binary :all: -r /build/dockd/$lock -d /build/wheels
    mkdir -p "$wheels"
    cp "$root"/build/wheels/*.whl "$wheels/"
    touch "$wheels/complete"
fi
mkdir -p "$root/build/wheels"
cp "$wheels"/*.whl "$root/build/wheels/"

say "building $version for Debian $suite"
# Nothing is compiled, so nobody checks for compilers.
inside --offline sh -c 'cd /build/dockd && dpkg-buildpackage --no-check-builddeps --build=binary --unsigned-source --unsigned-changes --no-pre-clean' \
    >"$root/build/log" 2>&1 || { cat "$root/build/log"; stop "the package cannot be built"; }
say "lintian says of it:"
inside --offline sh -c 'cd /build && lintian --allow-root --fail-on error,warning dockd_*.changes' ||
    stop "lintian does not accept the package"
mkdir -p "build/deb/$suite"
rm -f "build/deb/$suite/"*.deb
cp "$root/build/"*.deb "build/deb/$suite/"
ls -l "build/deb/$suite/"*.deb
