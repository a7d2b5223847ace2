typeset -A h; for i in {1..500}; do h[k$i]=$((i*i)); done
for k in ${(ok)h}; do print -r -- $k $h[$k]; done
print ${(U)x:-upper} ${(j:,:)${(s: :):-a b c}}
float f=3.14159; print $((f*2))
zmodload zsh/mathfunc && print $((sin(1.0)+exp(2.0)+log(3)))
a=(5 3 9 1); print ${(n)a} ${(On)a} $#a
[[ foobar =~ 'o+b' ]] && print $MATCH $MBEGIN
for f in *.ts(N); do print $f; done
printf '%.10e %g %a\n' 1.5 2.5e10 0.1
string="hello world"; print ${string:s/world/there/} ${string[1,5]} ${(C)string}
trap 'print got usr1' USR1; kill -USR1 $$
