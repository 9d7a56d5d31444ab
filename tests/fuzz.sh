#!/bin/sh
# fuzz FOLDER SECONDS [TARGET...]: gives each reader random input for so long, under the address and
# undefined-behaviour sanitizers (clang's libFuzzer), starting from tests/fuzz/corpus. What ends a
# reader is kept in FOLDER/found and fails; what reaches new code stays in FOLDER/<target>. With AFL++
# (afl-fuzz on PATH, FUZZER=afl) that does the search instead.
set -eu
folder=$1 seconds=$2
shift 2
root=$(cd "$(dirname "$0")/.." && pwd)
fuzz=$root/tests/fuzz
clang=${FUZZ_CC:-clang}
command -v "$clang" >/dev/null 2>&1 || {
    echo "fuzz: needs clang and its runtime: apt-get install clang libclang-rt-dev" >&2
    exit 77
}
mkdir -p "$folder/found" "$folder/objects"
[ $# -gt 0 ] || set -- csv formula structured model command

flags="-std=c17 -g -O1 -I$root/include -I$root/src -I$root/cli -D_XOPEN_SOURCE=700 -D_DEFAULT_SOURCE -fno-math-errno"
guard="-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all"

# compile SOURCE FLAG...: one object; the name of the object is printed.
compile() {
    source=$1
    shift
    object=$folder/objects/$(echo "${source#"$root"/}" | tr / _).o
    [ "$object" -nt "$source" ] || "$clang" $flags "$@" -c "$source" -o "$object"
    echo "$object"
}

# The kernels see no input of a reader: they are compiled plainly, and fast.
objects=
for source in "$root"/src/*/*.c; do
    case $source in
    */src/kernel/*) objects="$objects $(compile "$source" -O0 -w)" ;;
    *) objects="$objects $(compile "$source" $guard)" ;;
    esac
done
for source in "$fuzz/text.c" "$root"/cli/*.c "$root/bench/measure.c" "$root/bench/limit.c"; do
    case $source in
    */stat_read.c) continue ;; # stat_none.c stands for it
    */main.c) objects="$objects $(compile "$source" $guard -Dmain=bnorm_cli_main)" ;;
    *) objects="$objects $(compile "$source" $guard)" ;;
    esac
done

rmath=
[ ! -e /usr/include/Rmath.h ] || rmath=-lRmath
status=0
for target in "$@"; do
    object=$(compile "$fuzz/fuzz_$target.c" $guard)
    "$clang" -fsanitize=address,undefined,fuzzer "$object" $objects -o "$folder/fuzz_$target" \
        -lcsv $(pkg-config --libs blas lapack) $rmath -lm -lpthread
    mkdir -p "$folder/$target"
    echo "== $target, $seconds s"
    log=$folder/$target.log
    "$folder/fuzz_$target" -max_total_time="$seconds" -dict="$fuzz/$target.dict" -max_len=4096 \
        -timeout=10 -rss_limit_mb=2048 -close_fd_mask=2 -print_final_stats=1 \
        -artifact_prefix="$folder/found/$target-" "$folder/$target" "$fuzz/corpus/$target" \
        >"$log" 2>&1 || {
        status=1
        tail -n 40 "$log"
        echo "fuzz: $target ended on an input that is kept in $folder/found"
    }
    grep -E 'number_of_executed_units|new_units_added' "$log" || :
done
exit $status
