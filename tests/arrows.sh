#!/bin/sh
# arrows ROOT: fails on an include that goes against the design (A <- B: B may include A):
#   base <- kernel <- matrix <- layer <- train <- panel;  base, matrix, layer <- io;  panel, io <- structured;  base, matrix <- reference
#   cli, examples, bench, proof and bindings see bnorm.h only (and headers of their own folder).
set -eu
cd "$1"
bad=0

allowed() {
    case $1 in
    base) echo base ;;
    kernel) echo base kernel ;;
    matrix) echo base kernel matrix ;;
    layer) echo base kernel matrix layer ;;
    train) echo base kernel matrix layer train ;;
    panel) echo base kernel matrix layer train panel ;;
    reference) echo base matrix reference ;;
    io) echo base matrix layer io ;;
    structured) echo base kernel matrix layer train panel io structured ;;
    *) echo "arrows: no rule for src/$1: add one here and to the design" >&2 && exit 1 ;;
    esac
}

# includes FOLDER...: the quoted includes of C files below, as "file:line:name".
includes() {
    find "$@" -name '*.[ch]' -o -name '*.inc' | sort | xargs grep -Hn '^ *# *include *"' /dev/null |
        sed 's/: *# *include *"\([^"]*\)".*/:\1/'
}

for folder in src/*/; do
    name=$(basename "$folder")
    may=$(allowed "$name")
    for hit in $(includes "$folder"); do
        included=${hit##*:}
        case $included in
        bnorm.h) continue ;;
        */*) from=${included%%/*} ;;
        *) from=$name ;;
        esac
        case " $may " in
        *" $from "*) ;;
        *) echo "arrows: $hit: $name may not include $from" && bad=1 ;;
        esac
    done
done

for hit in $(includes cli examples bench proof bindings); do
    included=${hit##*:}
    file=${hit%%:*}
    [ "$included" = bnorm.h ] || [ -e "$(dirname "$file")/$included" ] || {
        echo "arrows: $hit: this folder sees bnorm.h only"
        bad=1
    }
done
exit $bad
