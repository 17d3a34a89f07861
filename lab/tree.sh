#!/bin/sh
# Puts a virtual environment into a tree, made with the tree's own Python. Arguments: the lock file, the machine's
# directory that has uv, the place in the tree, the packages that a bare tree has in apt's cache alone ("" for a tree that
# is not bare), the directory in the tree for its wheels, the tree. What is mounted here goes with mmdebstrap, which runs
# this.
set -eu
lock=$1 programs=$2 venv=$3 bare=$4 wheels=$5 root=$6
mount -t tmpfs mnt "$root/mnt"
mkdir "$root/mnt/bin" "$root/mnt/cache"
mount --bind "$programs" "$root/mnt/bin"
mount --bind "$("$programs/uv" cache dir)" "$root/mnt/cache"
cp "$lock" "$root/mnt/lock"
# Where the machine has certificates of its own, the package index is behind them.
if [ -n "${SSL_CERT_FILE:-}" ]; then
    cp "$SSL_CERT_FILE" "$root/mnt/certificates"
    certificates=/mnt/certificates
fi
in_tree() {
    env -u SSL_CERT_DIR ${certificates:+SSL_CERT_FILE="$certificates"} UV_CACHE_DIR=/mnt/cache UV_LINK_MODE=copy \
        chroot "$root" "$@"
}
in_tree /mnt/bin/uv venv -q --python /usr/bin/python3 "$venv"
in_tree /mnt/bin/uv pip sync -q --python "$venv/bin/python" --require-hashes --compile-bytecode /mnt/lock
if [ -n "$bare" ]; then
    in_tree /mnt/bin/uv pip uninstall -q --python "$venv/bin/python" pyone
    in_tree "$venv/bin/python" -m ensurepip -v >/dev/null
    sed -n '/^pyone==/,/[^\\]$/p' "$lock" >"$root/mnt/pyone"
    "$programs/python" -m pip download -q --no-deps --require-hashes -d "$root/$wheels" -r "$root/mnt/pyone"
    # What has been installed is not needed in the cache any more.
    rm -f "$root"/var/cache/apt/archives/*.deb
    # shellcheck disable=SC2086 # a list
    APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get install -q --yes --download-only $bare
fi
umount "$root/mnt/bin" "$root/mnt/cache" "$root/mnt"
