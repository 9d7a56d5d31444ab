#!/bin/sh
# run: builds and runs the benchmarks. Variables that tune the BLAS to one processor are unset, so that
# every side has its own choice.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}-bench
[ -f "$build/build.ninja" ] || meson setup "$build" -Dbench=true -Dtests=disabled
ninja -C "$build" >/dev/null
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
"$build/bench/bench_matrix"
printf '\n'
"${PYTHON:-/usr/bin/python3}" bench/step.py "$build/bench/libbench_step.so"
