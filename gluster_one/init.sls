{#- A node's whole part; each of these does only what the node's roles ask for. -#}
include:
  - gluster_one.pillar
  - gluster_one.volume
  - gluster_one.glusterd
  - gluster_one.mount
  - gluster_one.datastore
  - gluster_one.native
  - gluster_one.beacon
