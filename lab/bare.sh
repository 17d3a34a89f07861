#!/bin/sh
# Makes a tree that tree.sh has been through a bare one: without pyone, with pip as a onedir of Salt has it, and with what
# a run installs at hand. Arguments: the lock file, the machine's directory that has pip, the virtual environment in the
# tree, the directory in the tree for wheels, the packages for apt's cache, the tree. mmdebstrap runs this.
set -eu
lock=$1 programs=$2 venv=$3 wheels=$4 packages=$5 root=$6
rm -r "$root$venv"/lib/python3*/site-packages/pyone*
chroot "$root" "$venv/bin/python" -m ensurepip >/dev/null
pinned=$(mktemp)
sed -n '/^pyone==/,/[^\\]$/p' "$lock" >"$pinned"
"$programs/python" -m pip download -q --no-deps --require-hashes -d "$root/$wheels" -r "$pinned"
rm "$pinned"
# What has been installed is not needed in the cache any more.
rm -f "$root"/var/cache/apt/archives/*.deb
# shellcheck disable=SC2086 # a list
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get install -q --yes --download-only $packages
