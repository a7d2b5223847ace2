function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) }
BEGIN { FS = "[ ,]+"; split("one two three", w, " "); for (i = 1; i in w; i++) printf "%s%s", w[i], i < 3 ? "-" : "\n"
  print f(16), substr("hello", 2, 3), index("hello", "ll"), match("foobar", /o+b/), RSTART, RLENGTH, toupper("abc")
  print 1e6, 1 / 3, int(-3.7), 10 % 3, -5 % 3
  s = "aaa"
  n = gsub(/a/, "b&", s); print n, s; printf "%5.2f|%-5d|%05d|%x|%c|%e|%g\n", 3.14159, 42, 42, 255, 65, 12345.678, 1e-5 }
{ n[$2] += $1; l += length($0) }
END { for (k in n) s += n[k]; print s, l, NR, NF; for (i = 0; i < 3; i++) print n["key00" i] }
