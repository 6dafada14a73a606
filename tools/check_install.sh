#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs a build into a folder of its own, then builds the example against what lies there, by pkg-config, with the shared and
# with the static library, and runs it. Usage: tools/check_install.sh BUILD
cd "$(dirname "$0")/.." || exit 1
build=${1:?usage: tools/check_install.sh BUILD}
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
passed=0 failed=0

# case TITLE COMMAND...
try() {
    title=$1
    shift
    if "$@" >"$root/log" 2>&1; then
        passed=$((passed + 1))
    else
        echo "$title:"
        cat "$root/log"
        failed=$((failed + 1))
    fi
}

prefix=$root/usr/local
try "meson install" env DESTDIR="$root" meson install -C "$build" --no-rebuild
for file in bin/framemill share/man/man1/framemill.1; do
    try "$file is installed" test -f "$prefix/$file"
done
for header in include/framemill/*.h; do
    try "$header is installed" test -f "$prefix/$header"
done

pc=$(dirname "$(find "$prefix" -name framemill.pc)")
flags() { PKG_CONFIG_PATH=$pc PKG_CONFIG_SYSROOT_DIR=$root pkg-config "$@" framemill; }
compile="cc -std=c17 -Wall -Wextra -Werror examples/run.c"
# shellcheck disable=SC2046,SC2086 # words are meant to be split
{
    try "the example links the shared library" $compile -o "$root/shared" $(flags --cflags --libs)
    try "the example links the static library" $compile -o "$root/static" $(flags --cflags) "$(dirname "$pc")/libframemill.a" \
        $(flags --static --libs-only-other) -lm -lpthread
}
model=models/lanczos2x.onnx
try "the example runs with the shared library" env LD_LIBRARY_PATH="$(dirname "$pc")" "$root/shared" "$model"
try "the example runs with the static library" "$root/static" "$model"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
