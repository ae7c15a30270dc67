#!/bin/sh
# Installs what the tests, examples and benchmarks need.
#
#   cmake/dependencies.sh           system packages through apt-get, as root or by sudo, which may ask for its
#                                   password on a terminal; elsewhere as --local
#   cmake/dependencies.sh --local   no root: pinned versions into .deps/ of this tree, which git ignores.
#                                   The tree can then be carried to a machine with no network.
#
# Files already in .deps/archives are used instead of a download. Every file must have its SHA-256.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
deps=$root/.deps

# name|file|SHA-256|URL: the one list; cmake/dependencies.cmake reads it too.
list() {
  cat <<'LIST'
catch2|catch.hpp|3725c0f0a75f376a5005dde31ead0feb8f7da7507644c201b814443de8355170|https://github.com/catchorg/Catch2/releases/download/v2.13.10/catch.hpp
eigen|eigen-3.4.0.tar.gz|8586084f71f9bde545ee7fa6d00288b264a2b7ac3607b974e54d13e7162c1c72|https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.gz
benchmark|benchmark-1.8.3.tar.gz|6bc180a57d23d4d9515519f92b0c83d61b05b5bab188961f36ac7b06b0d9e9ce|https://github.com/google/benchmark/archive/refs/tags/v1.8.3.tar.gz
LIST
}
# Programs, from PyPI: their wheels hold plain executables (x86-64 Linux; nvdisasm's second hash is AArch64).
cmake_pin='cmake==3.31.6 --hash=sha256:1c8b05df0602365da91ee6a3336fe57525b137706c4ab5675498f662ae1dbcec'
ninja_pin='ninja==1.11.1.3 --hash=sha256:a27e78ca71316c8654965ee94b286a98c83877bfebe2607db96897bbfe458af0'
# Any version from nvcc's own on reads its cubins; it is pinned because the tables in test/cost have its names.
# Headers, in a wheel for any platform: CUTLASS 4.2.0, the version that the adapters are for.
cutlass_pin='nvidia-cutlass==4.2.0.0 --hash=sha256:f9599ada45c7bcb6bf53f7d3f0a7d154183e53451c01bfa59eecd37dd4a693f6'
nvdisasm_pin='nvidia-cuda-nvdisasm==13.2.78 --hash=sha256:b4ebcd3c5046bf8039ac52675b9dbefd843600969649ecaab0a42b0713a61dae --hash=sha256:c338282695eca43de237929c5e3963d8d04f61d578d40f01bd04aca2bc29c233'

say() { printf '%s\n' "dependencies.sh: $*"; }
fail() { say "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# cmake >= 3.25, which `cmake --workflow` needs.
recent_cmake() {
  have "$1" || return 1
  "$1" --version | awk 'NR == 1 { split($3, v, "."); exit !(v[1] > 3 || (v[1] == 3 && v[2] >= 25)) }'
}

install_packages() {
  packages='g++ cmake ninja-build catch2 libeigen3-dev libbenchmark-dev'
  missing=''
  for p in $packages; do
    case $(dpkg-query -W -f='${Status}' "$p" 2>/dev/null || :) in
      *' installed') ;;
      *) missing="$missing $p" ;;
    esac
  done
  if [ -z "$missing" ]; then
    say "system packages are all there: $packages"
    return
  fi
  say "installing system packages:$missing"
  $1 apt-get update -qq
  # shellcheck disable=SC2086  # both are lists of words
  $1 env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
}

# Distributions older than Debian 12 package an older CMake.
require_recent_cmake() {
  if ! recent_cmake cmake; then
    mkdir -p "$deps"
    [ -x "$deps/bin/cmake" ] || place_program cmake "$cmake_pin"
    fail "cmake here is missing or older than 3.25: run the next command with PATH=\"$deps/bin:\$PATH\""
  fi
}

hash_of() {
  if have sha256sum; then sha256sum "$1" | cut -d' ' -f1; else shasum -a 256 "$1" | cut -d' ' -f1; fi
}

download() {  # url file
  if have curl; then
    curl -fsSL --retry 2 --connect-timeout 20 -o "$2" "$1"
  elif have wget; then
    wget -q -t 2 -T 20 -O "$2" "$1"
  else
    fail "neither curl nor wget: put the file of $1 into .deps/archives yourself"
  fi
}

place() {  # name file hash url
  if [ -e "$deps/$1/.complete-$3" ]; then
    say "$1: in .deps/$1 already"
    return
  fi
  archive=$deps/archives/$2
  if [ ! -e "$archive" ]; then
    say "$1: downloading $4"
    download "$4" "$archive.part" || fail "cannot download $4; put it into .deps/archives/$2 by hand"
    mv "$archive.part" "$archive"
  fi
  got=$(hash_of "$archive")
  if [ "$got" != "$3" ]; then
    fail "$archive has SHA-256 $got instead of $3: delete it, or do not trust its source"
  fi
  rm -rf "${deps:?}/$1"
  mkdir "$deps/$1"
  case $2 in
    *.tar.gz) tar -xzf "$archive" -C "$deps/$1" --strip-components=1 ;;
    *) cp "$archive" "$deps/$1/" ;;
  esac
  : >"$deps/$1/.complete-$3"
  say "$1: in .deps/$1"
}

place_program() {  # name pin
  python3 -m pip --version >/dev/null 2>&1 || fail "no $1, and no pip to get it with: install $1"
  printf '%s\n' "$2" >"$deps/requirement.txt"
  python3 -m pip install --quiet --no-deps --only-binary :all: --require-hashes --upgrade \
    --target "$deps/python-$1" -r "$deps/requirement.txt" || fail "pip cannot install $1"
  rm "$deps/requirement.txt"
  [ "$1" != cutlass ] || { say "cutlass: .deps/python-cutlass"; return; }
  mkdir -p "$deps/bin"
  # The executables themselves; pip's own launchers would need PYTHONPATH. Relative, as the tree may move.
  case $1 in
    cmake) for tool in cmake ctest; do ln -sf "../python-cmake/cmake/data/bin/$tool" "$deps/bin/$tool"; done ;;
    ninja) ln -sf "../python-ninja/bin/ninja" "$deps/bin/ninja" ;;
    nvdisasm) ln -sf "../python-nvdisasm/nvidia/cu13/bin/nvdisasm" "$deps/bin/nvdisasm" ;;
  esac
  "$deps/bin/$1" --version >/dev/null || fail "$1 from PyPI does not run here: install it yourself"
  say "$1: .deps/bin/$1"
}

# For tests that are skipped without it: where it cannot be had, the rest goes on.
place_disassembler() {
  mkdir -p "$deps"
  [ -x "$deps/bin/nvdisasm" ] || (place_program nvdisasm "$nvdisasm_pin") ||
    say "no nvdisasm: skipped will be the comparison of registers and instructions (test/cost)"
}

place_cutlass() {
  mkdir -p "$deps"
  grep -q 'CUTLASS_MINOR 2$' "$deps/python-cutlass/cutlass_library/source/include/cutlass/version.h" 2>/dev/null ||
    (place_program cutlass "$cutlass_pin") ||
    say "no CUTLASS: skipped will be what includes it"
}

# Where cmake/enable_cuda.cmake would find it.
have_nvcc() {
  have "${CUDACXX:-nvcc}" || [ -x "${CUDA_HOME:-${CUDA_PATH:-/usr/local/cuda}}/bin/nvcc" ]
}

install_system() {
  install_packages "$1"
  if have_nvcc; then
    place_disassembler
    place_cutlass
  fi
  require_recent_cmake
}

install_local() {
  have c++ || have g++ || fail "no C++ compiler: install g++ (needs an administrator)"
  mkdir -p "$deps/archives"
  list | while IFS='|' read -r name file hash url; do place "$name" "$file" "$hash" "$url"; done
  have ninja || [ -x "$deps/bin/ninja" ] || place_program ninja "$ninja_pin"
  # Also without nvcc: the tree may be taken to a machine that has it.
  place_disassembler
  place_cutlass
  require_recent_cmake
}

case ${1-} in
  '' | --local) ;;
  *) fail "unknown argument $1: none, or --local" ;;
esac
if [ "${1-}" = --local ]; then
  install_local
elif have apt-get && [ "$(id -u)" = 0 ]; then
  install_system ''
elif have apt-get && have sudo && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
  install_system sudo
else
  say "neither root nor sudo: placing pinned versions into .deps/"
  install_local
fi
