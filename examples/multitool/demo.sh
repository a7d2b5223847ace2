#!/bin/sh
# Many programs, one signed bundle: C -> wasm -> image -> bundle -> routes verified -> run. Run by `make demo-multitool`.
set -eu
cd "$(dirname "$0")/../.."
say() { printf '\n# %s\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }
src=examples/multitool
out=build/multitool
umask 022
rm -rf "$out"
mkdir -p "$out/image/bin" "$out/image/var/log"
[ -z "$(find . keys -prune -perm /022)" ] || run chmod go-w . keys # a key store is refused where a group can write
[ -f keys/dev.key ] || recompiler keygen --dev --label demo -o keys/dev.key >/dev/null
[ -f keys/pubkeys.json ] || recompiler pubkeys --role dev keys/dev.pub -o keys/pubkeys.json >/dev/null

say "Three C programs, and a script whose interpreter is one of them: an image without a shell and without native code"
for name in edit freq table; do
    run recompiler cc "$src/$name.c" -o "$out/$name.wasm"
    install -m 755 "$out/$name.wasm" "$out/image/bin/$name"
done
run head -n 1 "$src/errors"
install -m 755 "$src/errors" "$out/image/bin/errors"
install -m 644 "$src/app.log" "$out/image/var/log/app.log"

say "The bundle: one module with all of them, compiled ahead of time, signed"
run recompiler-build --image "$out/image" --output "$out/bundle/container.wasm" --manifest "$out/bundle/manifest.json" --name demo/multitool --key keys/dev.key

say "Each hash leads to its program, and nothing else does"
run recompiler verify --routes --pubkeys keys/pubkeys.json "$out/bundle"

say "Its programs"
multitool() { run recompiler run --pubkeys keys/pubkeys.json "$out/bundle" -- "$@"; }
multitool errors /var/log/app.log
multitool freq /var/log/app.log | head -n 4
multitool table ' ' <"$src/app.log"

say "A program that the image did not have is no program, whatever it is called"
printf '#!/bin/edit\nnumber\n' >"$out/bundle/rootfs/bin/new"
chmod 755 "$out/bundle/rootfs/bin/new"
status=0
multitool new /var/log/app.log || status=$?
echo "exit status $status"
[ $status -ne 0 ]
status=0
run recompiler verify --routes --pubkeys keys/pubkeys.json "$out/bundle" || status=$?
echo "exit status $status"
[ $status -eq 12 ]
