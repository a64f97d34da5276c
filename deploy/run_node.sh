#!/usr/bin/env bash
# Become one node of veaat_migration: source ROS 2 and the workspace, then exec its executable.
#
# usage: run_node.sh NAME PARAMETERS_FILE
#
# Environment (systemd: /etc/veaat/NAME.env):
#   VEAAT_EXECUTABLE       av_inference (default), rsu_inference, av_follower, rsu_leader, trainer
#   VEAAT_NAMESPACE        namespace of the game (default /veaat)
#   VEAAT_ROS_SETUP        setup.bash of ROS 2 (default: the only one in /opt/ros)
#   VEAAT_WORKSPACE_SETUP  setup.bash of the workspace (default /opt/veaat/install/setup.bash)
#   VEAAT_ROS_ARGUMENTS    more arguments after --ros-args, such as "-r odom:=/localization/odom"
#
# Exit status 2: something is missing or wrong here, a restart does not help.
set -eo pipefail

fail() {
  echo "run_node.sh: $*" >&2
  exit 2
}

[ $# -eq 2 ] || fail "usage: run_node.sh NAME PARAMETERS_FILE"
name=$1 parameters=$2
executable=${VEAAT_EXECUTABLE:-av_inference}
namespace=${VEAAT_NAMESPACE:-/veaat}
workspace=${VEAAT_WORKSPACE_SETUP:-/opt/veaat/install/setup.bash}

[[ $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || fail "$name: is no name of a node (letters, digits, _)"
[[ $executable =~ ^[a-z_]+$ ]] || fail "VEAAT_EXECUTABLE=$executable: is no executable's name"
[ -r "$parameters" ] || fail "$parameters: cannot be read; see config/vehicle.example.yaml"

ros=${VEAAT_ROS_SETUP:-}
if [ -z "$ros" ]; then
  found=(/opt/ros/*/setup.bash)
  [ ${#found[@]} -eq 1 ] || fail "several ROS 2 in /opt/ros: choose one with VEAAT_ROS_SETUP"
  ros=${found[0]}
fi
for file in "$ros" "$workspace"; do
  [ -r "$file" ] || fail "$file: cannot be read; is it built and installed? (docs/deployment.md)"
  # shellcheck source=/dev/null
  . "$file"
done

# Not 'ros2 run': it would stay in memory beside the node, and takes a second to start it.
IFS=: read -ra prefixes <<<"${AMENT_PREFIX_PATH:-}"
for prefix in "${prefixes[@]}"; do
  program=$prefix/lib/veaat_migration/$executable
  if [ -x "$program" ]; then
    read -ra more <<<"${VEAAT_ROS_ARGUMENTS:-}"
    # One thread: a node computes with vectors of a few numbers.
    export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
    exec "$program" --ros-args -r "__node:=$name" -r "__ns:=$namespace" \
      --params-file "$parameters" "${more[@]}"
  fi
done
fail "no executable $executable in the packages that $workspace knows"
