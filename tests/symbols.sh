#!/bin/sh
# symbols SHARED STATIC LIST: the shared library exports exactly the functions of the list, and the
# static one defines no global name outside the prefix.
set -eu
export LC_ALL=C
exported=$(nm -D --defined-only "$1" | awk '{print $NF}' | sort)
printf '%s\n' "$exported" | diff -u "$3" - || {
    echo "symbols: the exported names differ from $3 (- list, + library)"
    exit 1
}
if nm --defined-only --extern-only "$2" | awk 'NF == 3 {print $3}' | grep -v '^bnorm_'; then
    echo "symbols: the static library defines global names without the prefix bnorm_"
    exit 1
fi
