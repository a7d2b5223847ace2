#!/bin/sh
# x86-64 Linux programs without their source: lifted, then run beside themselves. Run by `make demo`. The first is a
# static program of this machine, if it has one that is known here; the second is compiled here and has work to do.
set -eu
cd "$(dirname "$0")/../.."
say() { printf '\n# %s\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }
out=build/demo/lifted
umask 022
rm -rf "$out"
mkdir -p "$out"

if [ "$(uname -m)" != x86_64 ]; then
    say "Lifting is left out: lifted programs run on x86-64, and this machine is $(uname -m)"
    exit 0
fi

# A static x86-64 ELF file: e_machine is 62, and no loader is named (elf(5)).
static() {
    [ -r "$1" ] && [ "$(od -An -tx1 -j18 -N2 "$1" | tr -d ' ')" = 3e00 ] && ! head -c 4096 "$1" | grep -aq /ld-
}

# seconds FILE COMMAND...: its output into FILE, its elapsed time to stdout
seconds() {
    to=$1
    shift
    since=$(date +%s%N)
    "$@" >"$to" 2>/dev/null
    echo "$(($(date +%s%N) - since))" | awk '{printf "%.2f", $1 / 1e9}'
}

# beside PROGRAM LIFTED [ARG...]: both on build/demo/lifted/input, with the same arguments; fails unless they agree
beside() {
    program=$1 lifted=$2
    shift 2
    native_time=$(seconds "$out/native" "$program" "$@" <"$out/input")
    lifted_time=$(seconds "$out/again" recompiler run "$lifted" -- "$@" <"$out/input")
    cmp "$out/native" "$out/again"
    echo "the same $(wc -c <"$out/native") bytes of output: native $native_time s, lifted $lifted_time s"
}

seq 1 1000000 | awk '{print $1 % 997, "word" $1 % 5003}' >"$out/input"

for program in /bin/busybox /sbin/ldconfig; do
    static "$program" || continue
    name=$(basename "$program")
    say "A program of this machine, without its source: $name"
    run recompiler lift "$program" -o "$out/$name.lifted" 2>&1 | sed -n 1,3p
    echo "(code for a CPU with AVX, mostly: a lifted program sees one without, and does not come there)"
    case $name in
        busybox) set -- sha256sum "$out/input" ;;
        ldconfig) set -- -N -X -v ;;
    esac
    echo "\$ $name $*"
    beside "$program" "$out/$name.lifted" "$@"
    break
done

say "A program that is compiled here, with work to do: it counts two million words"
run python -m ziglang cc -target x86_64-linux-musl -mcpu=x86_64 -O2 examples/multitool/freq.c -o "$out/freq"
run recompiler lift "$out/freq" -o "$out/freq.lifted" 2>&1
echo "\$ freq <$out/input"
beside "$out/freq" "$out/freq.lifted"
