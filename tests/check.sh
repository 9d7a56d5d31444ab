#!/bin/sh
# check: builds and runs every test, in the release build and under the address and undefined-behaviour
# sanitizers, with each instruction set that the processor has. The last line is "N passed, N failed"
# (", N skipped"); with CI set, nothing may be skipped. Exits non-zero on any failure.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
passed=0 failed=0 skipped=0

# setup_build DIR OPTION...: configures once, builds always.
setup_build() {
    dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@" >"$dir.log" 2>&1 || {
        cat "$dir.log"
        exit 1
    }
    rm -f "$dir.log"
    ninja -C "$dir" -v >"$dir/build.log" 2>&1 || {
        cat "$dir/build.log"
        exit 1
    }
    if grep -n 'warning:' "$dir/build.log"; then
        echo "check: the build has warnings" >&2
        failed=$((failed + 1))
    fi
}

# count FILE LABEL: the number behind a line such as "Ok:   12" of meson's summary.
count() { sed -n "s/^$2: *\([0-9]*\).*/\1/p" "$1" | tail -n 1; }

# run DIR TITLE ARGUMENT...: runs the tests of a build and adds up what they say.
run() {
    dir=$1
    printf '\n== %s\n' "$2"
    shift 2
    log=$dir/check.log
    status=0
    meson test -C "$dir" --no-rebuild --print-errorlogs "$@" >"$log" 2>&1 || status=$?
    cat "$log"
    ok=$(count "$log" Ok)
    fail=$(count "$log" Fail) late=$(count "$log" Timeout)
    surprise=$(count "$log" 'Unexpected Pass') skip=$(count "$log" Skipped)
    bad=$((${fail:-0} + ${late:-0} + ${surprise:-0}))
    [ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
    passed=$((passed + ${ok:-0}))
    failed=$((failed + bad))
    skipped=$((skipped + ${skip:-0}))
}

# package TITLE COMMAND...: the tests of a package, whose last line is "N passed, N failed, N skipped".
package() {
    printf '\n== %s\n' "$1"
    shift
    status=0
    "$@" >"$build/package.log" 2>&1 || status=$?
    cat "$build/package.log"
    told=$(tail -n 1 "$build/package.log")
    ok=$(echo "$told" | sed -n 's/^\([0-9]*\) passed, .*/\1/p')
    bad=$(echo "$told" | sed -n 's/.* \([0-9]*\) failed.*/\1/p')
    skip=$(echo "$told" | sed -n 's/.* \([0-9]*\) skipped.*/\1/p')
    [ "$status" = 0 ] || [ "${bad:-0}" -gt 0 ] || bad=1
    passed=$((passed + ${ok:-0}))
    failed=$((failed + ${bad:-0}))
    skipped=$((skipped + ${skip:-0}))
}

setup_build "$build"
run "$build" 'release build'
package 'Python package' sh bindings/python/check.sh "$build"
package 'R package' sh tests/r.sh "$build"

printf '\n== fresh input for every reader\n'
status=0
sh tests/fuzz.sh "$build/fuzz" 15 || status=$?
case $status in
0) passed=$((passed + 1)) ;;
77) skipped=$((skipped + 1)) ;;
*) failed=$((failed + 1)) ;;
esac

printf '\n== proof\n'
status=0
sh tests/proof.sh "$build" || status=$?
case $status in
0) passed=$((passed + 1)) ;;
77) skipped=$((skipped + 1)) ;;
*) failed=$((failed + 1)) ;;
esac

setup_build "$build-asan" -Db_sanitize=address,undefined -Db_lundef=false \
    -Dbuildtype=debugoptimized -Doptimization=1
ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=1}
UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
export ASAN_OPTIONS UBSAN_OPTIONS
run "$build-asan" 'address and undefined-behaviour sanitizers' --no-suite house

if [ -n "${CI:-}" ] && [ "$skipped" -gt 0 ]; then
    echo "check: $skipped tests were skipped, which is a failure here" >&2
    failed=$((failed + skipped))
fi
line="$passed passed, $failed failed"
[ "$skipped" = 0 ] || line="$line, $skipped skipped"
printf '\n%s\n' "$line"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
