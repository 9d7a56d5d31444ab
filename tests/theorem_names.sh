#!/bin/sh
# theorem_names ROOT: every theorem that a source names ("Theorem: name" or "Theorems: name, name")
# is a theorem of proof/Headline.v; every theorem there is in the table of proof/README.md and in
# proof/assumptions.txt, and these name no other.
set -eu
export LC_ALL=C
cd "$1"
bad=0
known=$(sed -n 's/^Theorem \([A-Za-z0-9_]*\).*/\1/p' proof/Headline.v | sort)

is_known() { printf '%s\n' "$known" | grep -qx "$1"; }

# file:line:name of every mark in C, R and Python sources
folders=
for folder in include src cli bindings examples bench tests; do
    [ ! -d "$folder" ] || folders="$folders $folder"
done
marks=$(find $folders -name '*.[chR]' -o -name '*.inc' -o -name '*.py' | sort |
    xargs grep -HnE 'Theorems?: *[A-Za-z0-9_]' /dev/null |
    sed 's/^\([^:]*:[0-9]*\):.*Theorems*: *\([A-Za-z0-9_, ]*\).*/\1:\2/' |
    while IFS=: read -r file line names; do
        for name in $(printf '%s' "$names" | tr ',' ' '); do echo "$file:$line:$name"; done
    done)
[ -n "$marks" ] || { echo "theorem_names: no source names a theorem" && bad=1; }
for mark in $marks; do
    is_known "${mark##*:}" || {
        echo "theorem_names: ${mark%:*}: no theorem ${mark##*:} in proof/Headline.v"
        bad=1
    }
done

# compare LIST WHAT: the names in LIST are the known ones.
compare() {
    difference=$(printf '%s\n' "$known" | diff - "$1") || {
        echo "theorem_names: Headline.v (<) and $2 (>) differ:"
        printf '%s\n' "$difference" | grep '^[<>]'
        bad=1
    }
}
list=$(mktemp)
trap 'rm -f "$list"' EXIT
sed -n 's/^| `\([A-Za-z0-9_]*\)` .*/\1/p' proof/README.md | sort >"$list"
compare "$list" proof/README.md
sed 's/:.*//' proof/assumptions.txt | sort >"$list"
compare "$list" proof/assumptions.txt
exit $bad
