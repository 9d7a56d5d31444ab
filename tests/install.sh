#!/bin/sh
# install BUILD ROOT: an installed copy serves programs outside the tree, shared and static, in C and C++.
set -eu
build=$1
root=$2
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
meson install -C "$build" --no-rebuild --quiet --destdir "$stage/root"
prefix=$(meson introspect "$build" --buildoptions |
    sed 's/},/},\n/g' | sed -n 's/.*"name": "prefix", "value": "\([^"]*\)".*/\1/p')
libdir=$(dirname "$(find "$stage/root" -name libbnorm.a)")

for file in "$stage/root$prefix/include/bnorm.h" "$stage/root$prefix/bin/bnorm" "$libdir/libbnorm.a" \
    "$libdir/libbnorm.so" "$libdir/libbnorm.so.0" "$libdir/pkgconfig/bnorm.pc" \
    "$stage/root$prefix/share/man/man1/bnorm.1"; do
    [ -e "$file" ] || {
        echo "install: ${file#"$stage/root"} is missing"
        exit 1
    }
done

cp "$root/tests/outside.c" "$stage/outside.c"
cp "$root/tests/outside.c" "$stage/outside.cc"
cd "$stage"
export PKG_CONFIG_PATH="$libdir/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$stage/root"
# The system root applies to this package only: its dependencies come from the machine.
flags() { pkg-config "$@" bnorm; }
# shellcheck disable=SC2046
cc outside.c $(flags --cflags --libs) -o shared
LD_LIBRARY_PATH="$libdir" ./shared
# Only bnorm itself is static here: the Fortran runtime is for a static BLAS.
# shellcheck disable=SC2046
cc outside.c $(flags --cflags) "$libdir/libbnorm.a" $(PKG_CONFIG_SYSROOT_DIR='' flags --libs --static |
    tr ' ' '\n' | grep -v -e '-lbnorm' -e '-lgfortran' -e "-L$prefix" | tr '\n' ' ') -o static
./static
if command -v c++ >/dev/null; then
    # shellcheck disable=SC2046
    c++ outside.cc $(flags --cflags --libs) -o cxx
    LD_LIBRARY_PATH="$libdir" ./cxx
fi
LD_LIBRARY_PATH="$libdir" "$stage/root$prefix/bin/bnorm" --version

# Uninstalling (make uninstall) leaves nothing.
ninja -C "$build" uninstall >/dev/null
find "$stage/root" \( -type f -o -type l \) | grep . && {
    echo "install: uninstalling leaves these files"
    exit 1
}
exit 0
