#!/bin/sh
# The first process of a host, until systemd takes its place. Runs in the host's own namespaces; arguments: the host's
# root directory, its name, the file that takes its process id, the directory for /data ("" for none), "unified" for
# version 2 of cgroups alone, and then pairs of a directory of the machine and the place in the host where
# it is to be seen, and only seen.
set -eu
root=$1 name=$2 pidfile=$3 data=$4 cgroups=$5
shift 5

# /proc is still the machine's, so this is the id that the machine knows this process by.
read -r pid rest </proc/self/stat
echo "$pid" >"$pidfile.new"
mv "$pidfile.new" "$pidfile"

hostname "$name"
mount --make-rprivate /
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mkdir -m 1777 "$root/run/lock"

# What would reach the machine itself is read-only: a host must not change the machine's kernel settings.
mount -t proc proc "$root/proc"
for path in sys sysrq-trigger; do
    [ -e "$root/proc/$path" ] || continue
    mount --bind "$root/proc/$path" "$root/proc/$path"
    mount -o remount,bind,ro "$root/proc/$path"
done
# The journal tells one start from the next by this.
cat "$root/proc/sys/kernel/random/uuid" >"$root/run/boot_id"
mount --bind "$root/run/boot_id" "$root/proc/sys/kernel/random/boot_id"
mount -t sysfs -o ro sysfs "$root/sys"

# The cgroup namespace makes the host's own cgroup the top of each hierarchy.
if [ "$cgroups" = unified ]; then
    mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
else
    mount -t tmpfs -o mode=755 cgroup "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
    mount -t cgroup2 cgroup "$root/sys/fs/cgroup/unified"
fi

# A /dev of its own: with the machine's, journald and udev of a host would change it under the machine's feet.
mount -t tmpfs -o mode=755 dev "$root/dev"
umask 0
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 fuse:10:229; do
    IFS=: read -r file major minor <<-NODE
	$node
	NODE
    mknod -m 666 "$root/dev/$file" c "$major" "$minor"
done
umask 022
mkdir "$root/dev/net" "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mknod -m 666 "$root/dev/net/tun" c 10 200
mknod -m 600 "$root/dev/autofs" c 10 235 # for units of type automount
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"

if [ -n "$data" ]; then
    mount --bind "$data" "$root/data"
fi
while [ $# -gt 0 ]; do
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    mount -o remount,bind,ro "$root$2"
    shift 2
done

# Nothing of the machine's mounts may stay: they would outlive their end on the machine in here.
mkdir -p "$root/.machine"
cd "$root"
pivot_root . .machine
cd /
umount --lazy /.machine
rmdir /.machine
[ "$cgroups" = unified ] && legacy= || legacy=systemd.unified_cgroup_hierarchy=0
exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd $legacy
