#!/usr/bin/env bash
# Build TensorRT engines from policies, on the device that will run them, and check their answers.
#
# usage: build_engine.sh [--fp16] POLICY OUT
#
#   POLICY   a policy file, or the folder of a bundle
#   OUT      folder for the engines: OUT/follower-1.engine, ...
#   --fp16   half precision; the answers are checked all the same
#
# Needs trtexec (on a Jetson /usr/src/tensorrt/bin), 'veaat' on PATH (source the workspace) and the
# Python package onnx (pip install onnx). An engine belongs to one device, one release of TensorRT
# and one policy: build it again after any of them changes. An engine whose answers differ from the
# policy's is deleted, and the exit status is 1.
set -euo pipefail

fail() {
  echo "build_engine.sh: $*" >&2
  exit 2
}

precision=()
if [ "${1:-}" = --fp16 ]; then
  precision=(--fp16)
  shift
fi
[ $# -eq 2 ] || fail "usage: build_engine.sh [--fp16] POLICY OUT"
policy=$1 out=$2

PATH=$PATH:/usr/src/tensorrt/bin
command -v trtexec >/dev/null || fail "trtexec not found: apt install tensorrt, or add it to PATH"
command -v veaat >/dev/null || fail "veaat not found: source the workspace's setup.bash"
python=${PYTHON:-python3}

work=$(mktemp -d)
engine=
trap 'rm -rf "$work" "${engine:-$work}.part"' EXIT
mkdir -p "$out"

if [ -d "$policy" ]; then files=("$policy"/*.safetensors); else files=("$policy"); fi
[ -e "${files[0]}" ] || fail "$policy: holds no policy files"

status=0
for file in "${files[@]}"; do
  veaat policy "$file" --onnx "$work/onnx" >/dev/null
  graphs=("$work"/onnx/*.onnx)
  name=$(basename "${graphs[0]}" .onnx)
  engine=$out/$name.engine
  read -r count width < <("$python" -m veaat_migration.policy.engine_check \
    sample "$file" "$work/observation.bin")

  echo "$name: building $engine"
  if ! trtexec --onnx="${graphs[0]}" --saveEngine="$engine.part" "${precision[@]}" \
    --minShapes="observation:1x$width" --optShapes="observation:1x$width" \
    --maxShapes="observation:${count}x$width" --skipInference >"$work/build.log" 2>&1; then
    tail -n 20 "$work/build.log" >&2
    fail "$name: trtexec could not build the engine"
  fi

  if ! trtexec --loadEngine="$engine.part" --shapes="observation:${count}x$width" \
    --loadInputs="observation:$work/observation.bin" --exportOutput="$work/output.json" \
    --iterations=1 --warmUp=0 --duration=0 >"$work/run.log" 2>&1; then
    tail -n 20 "$work/run.log" >&2
    fail "$name: trtexec could not run the engine"
  fi
  if "$python" -m veaat_migration.policy.engine_check compare "$file" "$work/output.json"; then
    mv "$engine.part" "$engine"
  else
    rm -f "$engine.part"
    status=1
  fi
  rm -rf "$work/onnx"
done
exit $status
