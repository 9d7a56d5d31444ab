#!/bin/sh
# coverage FOLDER: builds with counters, runs the C suites and the command's tests, and prints which
# share of the lines and branches of src/ they reach, file by file; FOLDER/coverage.txt has the lines
# that none does. Needs gcovr.
set -eu
folder=$1
root=$(cd "$(dirname "$0")/.." && pwd)
command -v gcovr >/dev/null 2>&1 || {
    echo "coverage: needs gcovr: apt-get install gcovr" >&2
    exit 77
}
[ -f "$folder/build.ninja" ] || meson setup "$folder" "$root" -Db_coverage=true -Dc_args=-fprofile-update=atomic -Dbuildtype=debug -Doptimization=0 >/dev/null
ninja -C "$folder" >/dev/null
find "$folder" -name '*.gcda' -exec rm {} +
meson test -C "$folder" --no-rebuild --no-suite house --no-suite mutants -t 5 | tail -n 8
# Lines of code that cannot be reached say so where they stand: GCOVR_EXCL_LINE, with the reason.
gcovr --gcov-ignore-parse-errors --root "$root" --object-directory "$folder" --filter "$root/src/" --exclude-throw-branches \
    --txt "$folder/lines.txt" --json "$folder/coverage.json" "$folder" >/dev/null
cat "$folder/lines.txt"
gcovr --root "$root" --add-tracefile "$folder/coverage.json" --txt-metric branch 2>/dev/null | tail -n 3
