#!/bin/sh
# package.sh FOLDER [OPTION...]: assembles the R package in FOLDER/bnorm, with an unedited copy of the
# library's src/ and include/, and makes FOLDER/bnorm_<version>.tar.gz of it, which needs nothing from here
# any more. Options go to R CMD build.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=$1
shift
package=$folder/bnorm
library=$package/src/libbnorm
version=$(sed -n 's/^#define BNORM_VERSION "\(.*\)"$/\1/p' "$root/include/bnorm.h")
grep -qx "Version: $version" "$here/DESCRIPTION" || {
    echo "package.sh: DESCRIPTION has another version than bnorm.h, $version" >&2
    exit 1
}

rm -rf "$package"
mkdir -p "$library"
(cd "$here" && tar cf - --exclude='*.sh' --exclude='*.o' --exclude='*.so' .) | (cd "$package" && tar xf -)
(cd "$root" && tar cf - --exclude=meson.build src include) | (cd "$library" && tar xf -)

# The objects one by one: patterns and functions of GNU make are not portable.
{
    echo 'PKG_CPPFLAGS = -Ilibbnorm/include -Ilibbnorm/src'
    echo 'PKG_CFLAGS = $(C_VISIBILITY) $(SHLIB_OPENMP_CFLAGS)'
    echo 'PKG_LIBS = $(SHLIB_OPENMP_CFLAGS) $(LAPACK_LIBS) $(BLAS_LIBS) $(FLIBS)'
    printf 'OBJECTS ='
    (cd "$package/src" && find . -name '*.c' | LC_ALL=C sort | sed 's|^\./||; s|c$|o|') |
        while read -r object; do printf ' \\\n  %s' "$object"; done
    printf '\n\n'
    echo '# Debugging information is most of the size.'
    echo 'all: $(SHLIB)'
    printf '\t@if command -v strip >/dev/null; then strip --strip-debug $(SHLIB) || true; fi\n'
} >"$package/src/Makevars"

(cd "$folder" && R CMD build "$@" bnorm)
