# One process: arithmetic, arrays, patterns, regular expressions, functions, traps, redirections; nothing that forks.
fib() { (( $1 < 2 )) && { REPLY=$1; return; }; fib $(($1 - 1)); local a=$REPLY; fib $(($1 - 2)); REPLY=$((REPLY + a)); }
fib 15; echo "fib $REPLY $((2**62 - 1 << 1)) $((-7 / 2)) $((-7 % 3)) $((0x1F ^ 017)) $((1 ? 2 : 3))"
a=(one two "three four" five); a[10]=ten; echo "${#a[@]} ${!a[*]} ${a[@]:1:2} ${a[-1]} ${a[*]/o/0}"
declare -A map; for w in the quick brown fox jumps over the lazy dog the end; do (( map[$w]++ )); done
echo "${map[the]} ${#map[@]} ${map[none]-unset}"
s="Hello, World"; echo "${s,,} ${s^^} ${s:7} ${s: -5:3} ${#s} ${s//o/0} ${s/#Hello/Bye} ${s%,*} ${s##* } ${s@Q}"
[[ "key = value 42" =~ ^([a-z]+)\ *=\ *([a-z]+)\ ([0-9]+)$ ]] && echo "${BASH_REMATCH[1]}:${BASH_REMATCH[2]}:${BASH_REMATCH[3]}"
printf '%05.2f|%-8s|%x|%q|%b|%e|%d\n' 3.14159 left 255 "it's" 'a\tb' 12345.678 "'A"
for (( i = 0; i < 20; i++ )); do case $i in *[05]) echo -n "five ";; 1?) continue;; *) echo -n "$i ";; esac; done; echo
for f in *; do [[ -d $f ]] && echo "dir $f" || echo "file $f"; done
shopt -s extglob nullglob
echo *.none !(made*) {a..e}{1..2} {01..10..3}; x=foobarbar; echo "${x%%+(bar)}"
mapfile -t lines < list; echo "${#lines[@]} ${lines[2]}"; while IFS=, read -r p q rest; do echo "<$p|$q|$rest>"; done < table
exec 5> made; echo to five >&5; exec 5>&-; { echo out; echo err >&2; } 2> made2; read -r line < made2; echo "$line"
swap() { local -n x=$1 y=$2; local t=$x; x=$y y=$t; }; m=1 n=2; swap m n; echo "$m $n"
trap 'echo "trapped $?"' EXIT; trap 'echo usr1' USR1; kill -USR1 $$; trap 'echo "err line"' ERR; false
declare -i sum=0; for (( i = 1; i <= 5000; i++ )); do sum+=i*i%7; done; echo $sum
sorted=(5 3 9 1 7 2 8); for (( i = 0; i < 7; i++ )); do for (( j = 0; j < 6 - i; j++ )); do
  (( sorted[j] > sorted[j+1] )) && { t=${sorted[j]}; sorted[j]=${sorted[j+1]}; sorted[j+1]=$t; }; done; done; echo "${sorted[@]}"
getopts ab:c o -b value; echo "$o $OPTARG"; printf -v padded '%-10s.' x; echo "$padded"; echo "${PWD##*/}" "${!map*}"
set -u; : "${HOME:?}"; set +u; let 'z = 5, z *= 3'; echo $z; unset -f fib; type fib 2> made3
ulimit -n 2> made4 > made5; umask; wait; hash -r; echo "$((16#ff)) $((2#1011)) $RANDOM_NOT_SET"; exit 5
