let x = ;
foo(