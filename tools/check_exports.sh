#!/bin/sh
# SPDX-License-Identifier: MIT
# The shared library exports exactly the functions that the public headers declare. Usage: tools/check_exports.sh LIBRARY
library=${1:?usage: tools/check_exports.sh LIBRARY}
headers=$(dirname "$0")/../include/framemill
passed=0 failed=0
exported=$(nm -D --defined-only "$library" | awk '{ print $NF }' | sort) || exit 1
declared=$(cat "$headers"/*.h | tr '\n' ' ' | grep -o 'FM_API [^;(]*(' | grep -o 'fm_[a-z0-9_]*($' | tr -d '(' | sort)
for name in $exported; do
    if echo "$declared" | grep -qx "$name"; then
        passed=$((passed + 1))
    else
        echo "$library exports $name, which no public header declares"
        failed=$((failed + 1))
    fi
done
for name in $declared; do
    echo "$exported" | grep -qx "$name" && continue
    echo "$library lacks $name, which a public header declares"
    failed=$((failed + 1))
done
[ "$passed" -gt 0 ] || { echo "$library exports nothing"; failed=$((failed + 1)); }
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
