#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public header compiles alone, as C and as C++, with gcc and clang, without a warning.
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0
strict="-Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only -Iinclude"
for header in include/framemill/*.h; do
    name=${header#include/}
    for compiler in "gcc -std=c99 -Wstrict-prototypes -x c" "gcc -std=c17 -x c" "g++ -std=c++11 -x c++" \
                    "clang -std=c99 -Wstrict-prototypes -x c" "clang -std=c17 -x c" "clang++ -std=c++11 -x c++"; do
        # shellcheck disable=SC2086 # the words of $compiler and $strict are meant to be split
        if printf '#include "%s"\n#include "%s"\nextern int alone;\n' "$name" "$name" | $compiler $strict -; then
            passed=$((passed + 1))
        else
            echo "$header: fails with $compiler"
            failed=$((failed + 1))
        fi
    done
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
