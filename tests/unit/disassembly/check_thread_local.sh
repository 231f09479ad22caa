#!/bin/bash
# Shows that no thread-local address can be kept across a switch of stacks.
#
#   check_thread_local.sh --header thread_local.hpp --door thread_local.cpp.o OBJECT...
#
# A goroutine may wake up on another thread. What a compiler computed from thread-local storage
# before a switch is wrong after it, and nothing in C++ forbids the compiler to keep it. So all of
# weft goes through one door, functions of one object file that it cannot look into. This script
# looks at what the compiler really made:
#   - no other object reads thread-local storage, by %fs or %gs (the stack protector's own word
#     excepted), by a thread-local relocation, or through a function whose declaration lets the
#     compiler merge two calls around a switch;
#   - each function of the door stands there, whole, and somebody calls it.
# Exit status: 0 good, 1 violations (one a line, with object and function), 2 wrong use, 77 not
# this processor.
set -u
export LC_ALL=C

header=
door=
objects=()
while [ $# -gt 0 ]; do
  case $1 in
    --header) header=$2; shift 2 ;;
    --door) door=$2; shift 2 ;;
    *) objects+=("$1"); shift ;;
  esac
done
if [ ${#objects[@]} -eq 0 ]; then
  echo "no object files were given" >&2
  exit 2
fi
objdump=${OBJDUMP:-objdump}
nm=${NM:-nm}
if ! command -v "$objdump" >/dev/null || ! command -v "$nm" >/dev/null; then
  echo "skipped: objdump or nm (binutils) is missing"
  exit 77
fi
for object in "${objects[@]}"; do
  if [ ! -r "$object" ]; then
    echo "cannot read $object" >&2
    exit 2
  fi
done
if ! "$objdump" -f "${objects[0]}" | grep -q 'architecture: i386:x86-64'; then
  echo "skipped: only x86-64 code can be checked so far"
  exit 77
fi
if "$objdump" -h "${objects[0]}" | grep -q '\.gnu\.lto_\|\.llvmbc'; then
  echo "skipped: link-time optimisation makes the code later"
  exit 77
fi

# Declared const by their libraries, or reading thread-local storage for whoever calls them.
forbidden='__tls_get_addr|__errno_location|__h_errno_location|__cxa_get_globals'
forbidden+='|__cxa_get_globals_fast|pthread_self|TLS'  # "TLS wrapper function for ..."
tls_relocation='R_X86_64_(TPOFF32|TPOFF64|GOTTPOFF|TLSGD|TLSLD|DTPOFF32|DTPOFF64|DTPMOD64'
tls_relocation+='|TLSDESC|GOTPC32_TLSDESC|TLSDESC_CALL)'

violations=0
is_door() { [ -n "$door" ] && [ "$(basename "$1")" = "$(basename "$door")" ]; }

checked=0
for object in "${objects[@]}"; do
  is_door "$object" && continue
  checked=$((checked + 1))
  # Only code is disassembled, so debug information's own thread-local relocations do not count.
  found=$("$objdump" -d -r -C --no-show-raw-insn "$object" |
    awk -v forbidden="^($forbidden)([-+@]|\$)" -v relocation="^$tls_relocation\$" '
      /^[0-9a-f]+ <.*>:$/ {
        name = $0
        sub(/^[0-9a-f]+ </, "", name)
        sub(/>:$/, "", name)
        next
      }
      # A relocation below its instruction: offset, type, symbol.
      $2 ~ /^R_X86_64_/ {
        if ($2 ~ relocation) print name ": " $2 " " $3
        else if ($3 ~ forbidden) print name ": calls " $3
        next
      }
      /%[fg]s:/ {
        rest = $0
        gsub(/%fs:0x28([^0-9a-f]|$)/, " ", rest)
        if (rest ~ /%[fg]s:/) {
          sub(/^[ \t]*[0-9a-f]+:[ \t]*/, "", rest)
          print name ": " rest
        }
      }
    ' | sort -u)
  if [ -n "$found" ]; then
    sed "s|^|$(basename "$object"): |" <<<"$found"
    violations=$((violations + $(wc -l <<<"$found")))
  fi
done

if [ -n "$header" ]; then
  # The door's functions are those that the header marks.
  functions=$(sed -n 's/^WEFT_OPAQUE .*[ *&]\([a-z_0-9]*\)(.*/\1/p' "$header")
  if [ -z "$functions" ]; then
    echo "$header marks no function with WEFT_OPAQUE"
    violations=$((violations + 1))
  fi
  door_object=
  others=()
  for object in "${objects[@]}"; do
    if is_door "$object"; then door_object=$object; else others+=("$object"); fi
  done
  if [ -z "$door_object" ]; then
    echo "no object is named $(basename "$door")"
    exit 1
  fi
  defined=$("$nm" -C "$door_object")
  wanted=$(for object in "${others[@]}"; do "$nm" -C -u "$object"; done)
  for function in $functions; do
    if ! grep -Eq " T weft::detail::$function\(" <<<"$defined"; then
      echo "$(basename "$door_object"): $function is not there as a function of its own"
      violations=$((violations + 1))
    fi
    if grep -Eq "::$function\(.*\[clone|::$function\..*\(" <<<"$defined"; then
      echo "$(basename "$door_object"): $function was specialised for a caller"
      violations=$((violations + 1))
    fi
    if ! grep -Eq " U weft::detail::$function\(" <<<"$wanted"; then
      echo "$(basename "$door_object"): nobody calls $function"
      violations=$((violations + 1))
    fi
  done
fi

if [ "$violations" -gt 0 ]; then
  echo "$violations violation(s)"
  exit 1
fi
echo "$checked object(s) without thread-local access"
