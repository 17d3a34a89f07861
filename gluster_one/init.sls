{#- Everything that the pillar asks of a node, part by part; each part decides by the node's roles. -#}
include:
  - gluster_one.pillar
  - gluster_one.volume
  - gluster_one.glusterd
  - gluster_one.mount
  - gluster_one.datastore
  - gluster_one.native
  - gluster_one.beacon
