#!/bin/sh
x=$1
if [ $x == foo ]; then echo `ls *.txt`; fi
for f in $(ls); do cat $f | grep y ; done
case "$x" in a|b) echo "$((1+2))" ;; *) : ;; esac
function g() { local z=$(date); echo $z; }
cat <<EOF | sed "s/a/b/"
text ${x:-none}
EOF
