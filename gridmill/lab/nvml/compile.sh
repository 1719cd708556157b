#!/bin/sh
# Compiles the simulated NVML: compile.sh LIBRARY  (LIBRARY is the file to write, named libnvidia-ml.so.*)
# Needs a C11 compiler ($CC, default gcc) and awk.
set -eu

library=$1
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# From the table of names: a function for each that is not ours, and the list of what is exported.
awk '
    /^#/ || NF == 0 { next }
    NF != 2 || ($2 != "ours" && $2 != "unsupported") { print "symbols.txt: line " NR ": " $0 > "/dev/stderr"; exit 1 }
    $2 == "unsupported" { print "nvmlReturn_t " $1 "(void);\nnvmlReturn_t " $1 "(void) { return unsupported(\"" $1 "\"); }" }
    BEGIN { print "#include \"unsupported.h\"" }
' "$here/symbols.txt" >"$work/stubs.c"
awk '
    BEGIN { print "{ global:" }
    !/^#/ && NF == 2 { print "  " $1 ";" }
    END { print "local: *; };" }
' "$here/symbols.txt" >"$work/exports.map"

cd "$here" # relative names, so that nothing of this directory ends up in the library
"${CC:-gcc}" -std=c11 -Wall -Wextra -Werror -Wshadow -Wconversion -Wformat=2 -O2 -fPIC -fstack-protector-strong \
    -D_FORTIFY_SOURCE=2 -ffile-prefix-map="$work=generated" -I"$here" -shared -pthread \
    -Wl,-soname,libnvidia-ml.so.1 -Wl,--version-script="$work/exports.map" -Wl,--no-undefined-version \
    -s -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,--build-id=sha1 \
    -o "$library" ./*.c "$work/stubs.c"
