#!/bin/sh
# What the lab and the tests need on this machine: Debian's packages, and a virtual environment with pinned versions.
# The environment lies in a cache, under a name made of the lock file's contents: another checkout finds it there, and
# a changed lock file makes a new one. Arguments: the Python to make it with, the version of Salt in it, and the link
# that leads to it (.venv for the newest Salt, one of its own for each other).
set -eu
cd "$(dirname "$0")/.."
python=$1 lock=requirements/python3.11/$2.lock link=$3
if [ ! -e "$lock" ]; then
    echo "SALT=$2: these are possible:" requirements/python3.11/*.lock | sed 's|[^ ]*/||g; s/[.]lock//g' >&2
    exit 2
fi

packages="python3-venv mmdebstrap $(cat requirements/packages)"
missing=
for package in $packages; do
    case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) missing="$missing $package" ;;
    esac
done
if [ -n "$missing" ]; then
    echo "installing$missing"
    apt-get update -q
    # shellcheck disable=SC2086 # a list
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/gluster_one
hash=$( (cat "$lock"; "$python" -V) | sha256sum | cut -c1-16)
venv=$cache/venv-$hash
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9 # two checkouts may come at the same time
if [ ! -e "$venv/complete" ]; then
    echo "making $venv"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    # Also the first package: only what has a hash in the lock file.
    sed -n '/^uv==/,/[^\\]$/p' "$lock" >"$venv/uv.txt"
    "$venv/bin/python" -m pip install -q --no-deps --require-hashes -r "$venv/uv.txt"
    # The lock file is complete, so nothing is resolved again (see requirements/override.in). The bytecode is made now:
    # the hosts of a lab could only make it each for itself, at each start.
    "$venv/bin/uv" pip sync -q --python "$venv/bin/python" --require-hashes --compile-bytecode "$lock"
    touch "$venv/complete"
fi
[ "$(readlink "$link" 2>/dev/null)" = "$venv" ] || ln -sfn "$venv" "$link"
