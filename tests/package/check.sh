#!/bin/bash
# Takes the package of one release through its whole life in a clean root of that release: installation, use as an ordinary user, an
# upgrade, a downgrade that must be refused, removal and purge, with footage in the spool that has to outlive them all.
#
# usage: tests/package/check.sh SUITE       SUITE is 12 or 13
#
# What needs a running systemd, udev and kernel is shown by the virtual machines of tests/rig; here dpkg and the program are judged.
set -euo pipefail
cd -P "$(dirname "$0")/../.."
# shellcheck source=packaging/deb/chroot.sh
. packaging/deb/chroot.sh

[ $# -eq 1 ] || stop "usage: $0 SUITE"
[ "$(id -u)" -eq 0 ] || stop "unpacking roots of Debian takes root: sudo make deb-check"
suite=$1

packages=("build/deb/$suite/"dockd_*.deb)
[ -e "${packages[0]}" ] || stop "there is no package for Debian $suite: make deb SUITES=$suite"

packed "$suite" check ''
unpacked "$packed"

tests/package/repack.sh later "${packages[0]}" "$root/later.deb"
cp "${packages[0]}" "$root/dockd.deb"
cp tests/package/life.sh "$root/life.sh"
# Packages that were fetched once are kept, so that only the first check needs them from the network.
mkdir -p "build/deb/archives/$suite/partial"
export DOCKD_ARCHIVES=$PWD/build/deb/archives/$suite
rm -f "$root/etc/apt/apt.conf.d/docker-clean"
say "checking the package's life on Debian $suite"
inside /bin/bash /life.sh
say "the package passed on Debian $suite"
