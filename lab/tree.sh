#!/bin/sh
# Puts a virtual environment into a tree, made with the tree's own Python. Arguments: the lock file, the machine's
# directory that has uv, the place in the tree, the tree. What is mounted here goes with mmdebstrap, which runs this.
set -eu
lock=$1 programs=$2 venv=$3 root=$4
mount -t tmpfs mnt "$root/mnt"
mkdir "$root/mnt/bin" "$root/mnt/cache"
mount --bind "$programs" "$root/mnt/bin"
mount --bind "$("$programs/uv" cache dir)" "$root/mnt/cache"
cp "$lock" "$root/mnt/lock"
# Where the machine has certificates of its own, the package index is behind them.
if [ -n "${SSL_CERT_FILE:-}" ]; then
    cp "$SSL_CERT_FILE" "$root/mnt/certificates"
    export SSL_CERT_FILE=/mnt/certificates
fi
unset SSL_CERT_DIR
export UV_CACHE_DIR=/mnt/cache UV_LINK_MODE=copy
chroot "$root" /mnt/bin/uv venv -q --python /usr/bin/python3 "$venv"
chroot "$root" /mnt/bin/uv pip sync -q --python "$venv/bin/python" --require-hashes --compile-bytecode /mnt/lock
umount "$root/mnt/bin" "$root/mnt/cache" "$root/mnt"
