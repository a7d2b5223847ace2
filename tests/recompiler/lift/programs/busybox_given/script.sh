i=0; while [ $i -lt 20 ]; do i=$((i + 1)); case $i in *[05]) echo five $i;; 1?) ;; *) echo $i;; esac; done
f() { local x=$1; shift; echo "$x:$#:$*"; return 3; }; f a b 'c d' || echo "status $?"
set -- one two three; for w in "$@"; do echo "${w%e}" "${w#o}" "${#w}"; done; IFS=:; v=a:b:c; set -- $v; echo $2
while read -r line; do echo "<$line>"; done < list; trap 'echo bye' EXIT; printf '%s %d %x %.3f\n' s 42 255 2.5
echo $((7 * 6 % 5 << 3 | 1)) ${unset:-default} ${v+set}; echo "here $v" >made
test -f made && [ -s made ] && echo there; eval 'e=5'; echo $e; exit 7
