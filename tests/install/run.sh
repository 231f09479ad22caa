#!/usr/bin/env bash
# usage: run.sh CASE SOURCE WORK [BUILT]
# Builds README's first program against weft in one way, runs it, and compares what it prints with
# what README says. The cases static and shared install weft for those that come after them; with BUILT
# from the tree that is built there.
set -euo pipefail

case=$1 source=$2 work=$3 built=${4:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$work/$case

fail() { echo "install test $case: $*" >&2; exit 1; }

# The N-th fenced block of README; the first is the program, the second its output.
readme_block() {
  awk -v n="$1" '/^```/ { inside = !inside; if (inside) ++block; next } inside && block == n' \
    "$source/README.md"
}

write_program() {
  mkdir -p "$dir"
  readme_block 1 >"$dir/hello.cpp"
  readme_block 2 >"$dir/hello.expected"
  grep -q 'weft/' "$dir/hello.cpp" || fail "README's first fenced block is no program"
}

run_program() {
  "$1" >"$dir/hello.out" || fail "the program ended with status $?"
  diff "$dir/hello.expected" "$dir/hello.out" || fail "the program prints something else"
}

build() { cmake --build "$1" --parallel "$(nproc)"; }

# The prefix is moved once it is filled: nothing in it may depend on where it was made.
install_weft() {
  if [ -z "$built" ]; then
    built=$dir
    cmake -S "$source" -B "$built" -DBUILD_SHARED_LIBS="$1" -DCMAKE_BUILD_TYPE=Debug \
      -DWEFT_TESTS=OFF -DWEFT_EXAMPLES=OFF -DWEFT_BENCH=OFF -DWEFT_SSH_RUNNER=OFF
    build "$built"
  fi
  cmake --install "$built" --prefix "$dir/first-prefix"
  mv "$dir/first-prefix" "$dir/prefix"
  for path in "$source" "$dir/first-prefix"; do
    if grep -rIF "$path" "$dir/prefix"; then fail "installed files name $path"; fi
  done
  for file in include/weft/weft.hpp share/doc/weft/LICENSE; do
    [ -f "$dir/prefix/$file" ] || fail "$file was not installed"
  done
}

configure_cmake_project() {  # PROJECT [CMAKE_OPTION...]
  write_program
  cmake -S "$here/$1" -B "$dir/build" -DCMAKE_EXPORT_COMPILE_COMMANDS=ON \
    -DHELLO="$dir/hello.cpp" "${@:2}"
  if grep -E 'hello\.cpp' "$dir/build/compile_commands.json" | grep -E -- '-W|-f|-O|-D'; then
    fail "weft gives the consumer flags"
  fi
}

use_cmake_project() {  # PROJECT [CMAKE_OPTION...]
  configure_cmake_project "$@"
  build "$dir/build"
  run_program "$dir/build/hello"
}

use_pkg_config() {
  write_program
  PKG_CONFIG_PATH=$(dirname "$(find "$work/$1/prefix" -name weft.pc)")
  export PKG_CONFIG_PATH
  # Its answer is quoted for the shell.
  eval "flags=($(pkg-config --cflags --libs weft))"
  "${CXX:-g++}" -std=c++20 "$dir/hello.cpp" "${flags[@]}" -o "$dir/hello"
  LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH") run_program "$dir/hello"
}

rm -rf "$dir"
case $case in
  static) install_weft OFF ;;
  shared) install_weft ON ;;
  find_package_static | find_package_shared)
    use_cmake_project find_package -DCMAKE_PREFIX_PATH="$work/${case#find_package_}/prefix" ;;
  pkg_config_static | pkg_config_shared) use_pkg_config "${case#pkg_config_}" ;;
  add_subdirectory) use_cmake_project "$case" -DWEFT_SOURCE="$source" ;;
  # From there on it is the case before, and building all of weft once more would show nothing.
  fetch_content)
    configure_cmake_project "$case" -DWEFT_SOURCE="$source"
    cmake --build "$dir/build" --target hello_object ;;
  *) fail "no such case" ;;
esac
