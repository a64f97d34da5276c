#!/usr/bin/env bash
# Source ROS 2 and the workspace, then run the command of the container.
set -eo pipefail
# shellcheck source=/dev/null
. "/opt/ros/${ROS_DISTRO:?is set by the base image}/setup.bash"
# shellcheck source=/dev/null
. /opt/veaat/install/setup.bash
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
exec "$@"
