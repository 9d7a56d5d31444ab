#!/bin/sh
# check.sh BUILD [asan]: installs the Python package as a user would, without a network, and tests it. The last line is
# "N passed, N failed, N skipped". BUILD is a finished build of the repository: its programs give the bits to compare
# with. PYTHON names the interpreter. With asan: the tests on an extension built with the sanitizers.
set -eu
cd "$(dirname "$0")/../.."
root=$(pwd)
build=$(cd "$1" && pwd)
python=${PYTHON:-/usr/bin/python3}
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
passed=0 failed=0 skipped=0
PIP_NO_INDEX=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1
export PIP_NO_INDEX PIP_DISABLE_PIP_VERSION_CHECK PIP_NO_CACHE_DIR PIP_ROOT_USER_ACTION OMP_WAIT_POLICY PYTHONDONTWRITEBYTECODE

# try TITLE COMMAND...: one test; its output is shown when it fails.
try() {
    title=$1
    shift
    if "$@" >"$stage/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok: $title"
    else
        failed=$((failed + 1))
        cat "$stage/log"
        echo "FAILED: $title"
    fi
}

# count WORD: the number before it in pytest's last line.
count() { tail -n 1 "$stage/pytest" | sed -n "s/.*[^0-9]\([0-9][0-9]*\) $1.*/\1/p"; }

# suite TITLE COMMAND...: pytest; its tests are added up.
suite() {
    title=$1
    shift
    status=0
    "$@" -m pytest -q -rs -p no:cacheprovider "$root/bindings/python/tests" >"$stage/pytest" 2>&1 || status=$?
    sed -i '$s/^/ /' "$stage/pytest"
    [ "$status" = 0 ] && tail -n 3 "$stage/pytest" || cat "$stage/pytest"
    good=$(count passed) bad=$(count failed) errors=$(count error) without=$(count skipped)
    bad=$((${bad:-0} + ${errors:-0}))
    [ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
    passed=$((passed + ${good:-0})) failed=$((failed + bad)) skipped=$((skipped + ${without:-0}))
    echo "$title: ${good:-0} passed, $bad failed"
}

report() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

BNORM_COMMAND=$build/bnorm
export BNORM_COMMAND

if [ "${2:-}" = asan ]; then
    CFLAGS='-fsanitize=address,undefined -fno-sanitize-recover=undefined -g -O1 -fno-omit-frame-pointer' \
        LDFLAGS='-fsanitize=address,undefined' "$python" bindings/python/backend/bnorm_build.py --in-place "$stage/asan"
    cc=${CC:-cc}
    # Python itself leaks by design; with its own allocator off, overruns of its blocks are seen; pytest's handler of
    # faults would hide the sanitizers' reports.
    suite 'under the sanitizers' env PYTEST_ADDOPTS='-p no:faulthandler' PYTHONPATH="$stage/asan" PYTHONMALLOC=malloc \
        ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        LD_PRELOAD="$($cc -print-file-name=libasan.so) $($cc -print-file-name=libubsan.so)" "$python"
    report
    exit
fi

# As typed in the README, in an environment that sees Debian's NumPy and pytest.
"$python" -m venv --system-site-packages "$stage/user"
try 'pip install ./bindings/python' "$stage/user/bin/python" -m pip install ./bindings/python
try 'the package is the installed one' sh -c "cd / && '$stage/user/bin/python' -c '
import bnorm, sys; sys.exit(not bnorm.__file__.startswith(\"$stage/user\"))'"
suite 'tests' "$stage/user/bin/python"

# The same text from C and from Python, in both layouts, on every instruction set (lesser ones than the best are forced).
for isa in '' avx2 scalar; do
    for layout in row col; do
        same() {
            env BNORM_ISA="$isa" "$build/tests/conformance" "$layout" tests/conformance/*.txt >"$stage/c" &&
                env BNORM_ISA="$isa" "$stage/user/bin/python" tests/conformance.py "$layout" \
                    tests/conformance/*.txt >"$stage/python" && cmp "$stage/c" "$stage/python"
        }
        try "conformance $layout ${isa:-best}" same
    done
done

# What is given away: a source distribution and a wheel, in an environment where there is nothing else.
"$python" -m venv "$stage/bare"
try 'source distribution' env CFLAGS=-O0 "$python" -c "
import sys; sys.path.insert(0, 'bindings/python/backend'); import bnorm_build; bnorm_build.build_sdist('$stage')"
try 'wheel from the source distribution' sh -c "cd '$stage' && CFLAGS=-O0 bare/bin/python -m pip wheel -w wheels bnorm-*.tar.gz"
try 'wheel installs' sh -c "cd '$stage' && bare/bin/python -m pip install wheels/bnorm-*.whl"
try 'wheel works without NumPy' sh -c "cd / && '$stage/bare/bin/python' -c '
import array, bnorm
x = memoryview(array.array(\"d\", [1, 10, 3, 20])).cast(\"B\").cast(\"d\", (2, 2))
y, stats = bnorm.forward(x, out=memoryview(bytearray(32)).cast(\"d\", (2, 2)), eps=0)
assert y.tolist() == [[-1, -1], [1, 1]] and list(stats.mean) == [2, 15]'"
try 'no compiler is said' sh -c "! CC=no-such-compiler '$stage/user/bin/python' -m pip install --force-reinstall \
    ./bindings/python 2>&1 | tee '$stage/said' >/dev/null; grep -q \"no C compiler 'no-such-compiler'\" '$stage/said'"
try 'no BLAS is said' sh -c "PATH='$stage/few' && export PATH; '$stage/user/bin/python' -c '
import sys; sys.path.insert(0, \"$root/bindings/python/backend\"); import bnorm_build
bnorm_build.links = lambda *given: False
try: bnorm_build.blas([\"cc\"])
except bnorm_build.BuildError as error: sys.exit(\"libopenblas-dev\" not in str(error))
sys.exit(1)'"
report
