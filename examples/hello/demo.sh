#!/bin/sh
# The whole path once: C -> wasm -> signed file -> verified -> run through the stub and a vkernel. Run by `make demo`.
set -eu
cd "$(dirname "$0")/../.."
say() { printf '\n# %s\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }
out=build/demo
umask 022
rm -rf "$out"
mkdir -p "$out/root"
# The socket: a checkout's path may be longer than a socket's can be, and a directory of it another's to change.
run_dir=$(mktemp -d)
vkernel=
trap 'kill $vkernel 2>/dev/null || :; wait $vkernel 2>/dev/null || :; rm -rf "$run_dir"' EXIT

if [ -n "$(find . keys -prune -perm /022)" ]; then
    say "A key store is refused where a group can write, as after a checkout with umask 0002"
    run chmod go-w . keys
fi

say "A development key, made once per checkout (mode 0600, never committed), and a store that trusts it"
[ -f keys/dev.key ] || run recompiler keygen --dev --label demo -o keys/dev.key
[ -f keys/pubkeys.json ] || run recompiler pubkeys --role dev keys/dev.pub -o keys/pubkeys.json

say "C to wasm, and a manifest that says what the program may do"
run recompiler cc examples/hello/hello.c -o "$out/hello.wasm"
run recompiler manifest --name demo/hello "$out/hello.wasm" -o "$out/hello.json"

say "Stub + wasm + manifest, signed: one ELF file"
run recompiler append --blob "$out/hello.wasm" --manifest "$out/hello.json" --key keys/dev.key "$(uname -m)-linux-dev" -o "$out/hello"
run recompiler verify --pubkeys keys/pubkeys.json "$out/hello"

say "A vkernel, and the program: it writes to the terminal fd that it passed to the vkernel"
vkernel serve --run-dir "$run_dir" --cid demo --root "$out/root" --pubkeys keys/pubkeys.json --audit "$out/audit.jsonl" >"$out/vkernel.log" &
vkernel=$!
tries=0
until grep -s serving "$out/vkernel.log"; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || { echo "demo: the vkernel did not start" >&2; exit 1; }
    sleep 0.05
done
export RECOMPILER_CID=demo RECOMPILER_RUN_DIR="$run_dir" RECOMPILER_PUBKEYS=keys/pubkeys.json
run "$out/hello" signed world

say "One flipped bit, and the stub refuses"
cp "$out/hello" "$out/flipped"
printf '\377' | dd of="$out/flipped" bs=1 seek="$(($(stat -c %s "$out/flipped") - 900))" conv=notrunc status=none
status=0
run "$out/flipped" || status=$?
echo "exit status $status"
[ $status -eq 125 ]

say "What the vkernel recorded"
run vkernel audit verify "$out/audit.jsonl"

say "The same without a standing vkernel, in one command"
run recompiler run --pubkeys keys/pubkeys.json "$out/hello" again
