s/\([a-z]*\)[0-9]\{1,\}/<\1>/g
/key00[1-5]/{h;d}
/key9/{G;s/\n/ + /}
y/abc/ABC/
$!N;P;D
