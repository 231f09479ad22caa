#!/bin/bash
# Whether what must not compile does not, and says why.
#
#   check.sh FILE COMPILER FLAG...
#
# FILE holds cases, each a line
#   // case NAME: REGULAR EXPRESSION
# and then, in `#ifdef NAME`, code that must not compile and whose message matches the expression,
# and in `#else` its right twin. With no NAME defined the whole file must compile, without a warning.
set -u
file=$1
shift
export LC_ALL=C

failures=0
fail() {
  printf 'FAILED: %s\n%s\n\n' "$1" "$2"
  failures=$((failures + 1))
}

# What the file includes first is compiled once; where that does not work, each time.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n '/^#include/p; /^\(\/\/.*\|#include.*\|\)$/!q' "$file" >"$work/first.hpp"
"$@" -x c++-header "$work/first.hpp" -o "$work/first.hpp.gch" >/dev/null 2>&1
set -- "$@" -fsyntax-only -include "$work/first.hpp"

output=$("$@" -Werror "$file" 2>&1) || fail "the right ways do not compile" "$output"

count=0
while IFS= read -r line; do
  name=${line#// case }
  expression=${name#*: }
  name=${name%%:*}
  count=$((count + 1))
  grep -q "^#ifdef $name\$" "$file" || fail "$name: no such #ifdef" "$line"
  if output=$("$@" "-D$name" "$file" 2>&1); then
    fail "$name compiles" "$output"
  elif ! grep -Eq -- "$expression" <<<"$output"; then
    fail "$name: the message has nothing of: $expression" "$output"
  elif ! grep -q "$(basename "$file"):[0-9]" <<<"$output"; then
    fail "$name: the message does not say where" "$output"
  elif grep -Eqi 'internal compiler error|segmentation fault|fatal error' <<<"$output"; then
    fail "$name: the compiler fails" "$output"
  fi
done < <(grep '^// case ' "$file")

[ $count -gt 0 ] || fail "$file has no case" ""
[ $failures -gt 0 ] || echo "$count cases do not compile, and say why"
exit $((failures > 0))
