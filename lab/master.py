"""The lab's Salt master: its configuration and its commands."""

MASTER_CONF = """\
# Everything of the master is below this directory; what looks absolute here and in Salt's defaults is taken from there.
root_dir: {state}
conf_file: {state}/master/master
pki_dir: {state}/pki
cachedir: {state}/cache
sock_dir: {state}/sock
log_file: {state}/log/master
key_logfile: {state}/log/key
pidfile: {state}/master.pid
extension_modules: {state}/extmods
default_include: master.d/*.conf
user: root
interface: {address}
auto_accept: True
worker_threads: 3
timeout: 60
gather_job_timeout: 10
log_level: info
log_level_logfile: trace
# What the user of the lab writes, and the working tree itself: an edited state takes effect at the next call.
file_roots:
  base:
    - {state}/salt
    - {checkout}
fileserver_followsymlinks: False
# Matched with paths below the checkout when Salt lists files, with whole ones when it serves one.
file_ignore_regex:
  - '^({ignored}/)?(\\.[^/]+|lab|tests|docs)(/|$)'
  - '/__pycache__(/|$)'
runner_dirs:
  - {checkout}/_runners
outputter_dirs:
  - {checkout}/_output
pillar_roots:
  base:
    - {state}/pillar
"""

PILLAR_TOP = """\
base:
  '*':
    - gluster_one
  'head*':
    - gluster_one_head
"""

PILLAR_HEAD = """\
gluster_one:
  roles: [head]
"""

# The pillar files of a minion are merged, lists by replacing.
PILLAR_ALONE = """\
gluster_one:
  roles: [head, hypervisor]
  volumes:
    one_vol:
      servers: [head]
"""

CREATE = "      create: {{replica: {}, bricks: /data/one_vol}}\n"


def bare_pillar(text, servers):
    """pillar.example for servers that are no pool and have no volume yet."""
    before, datastores, after = text.partition("      datastores:")
    return before + CREATE.format(len(servers)) + datastores + after
