#!/bin/sh
# abi LIBRARY ROOT [-u]: the binary interface of the shared library (built with debugging information) is
# the one recorded in tests/bnorm.abi: sizes, places and types of what bnorm.h shows. A change that is
# meant is recorded with -u, and told in CHANGELOG.md; one that breaks programs needs a new SONAME.
set -eu
library=$1 root=$2
record=$root/tests/bnorm.abi
command -v abidw >/dev/null 2>&1 || {
    echo "abi: needs abidiff: apt-get install abigail-tools" >&2
    exit 77
}
now=$(mktemp)
trap 'rm -f "$now"' EXIT
abidw --exported-interfaces-only --no-show-locs --no-corpus-path --no-comp-dir-path --no-elf-needed \
    --drop-private-types --headers-dir "$root/include" "$library" |
    sed "s|path='[^']*/src/|path='src/|; s|path='[^']*/include/|path='include/|" >"$now"
if [ "${3:-}" = -u ]; then
    cp "$now" "$record"
else
    abidiff "$record" "$now"
fi
