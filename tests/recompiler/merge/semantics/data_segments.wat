(module
  (import "host" "log" (func $log (param i32)))
  (memory 1)
  (data (i32.const 8) "abc")
  (data (i32.const 9) "Z")
  (func (export "_start") (call $log (i32.load (i32.const 8)))))

(module
  (import "host" "log" (func $log (param i32)))
  (memory 1)
  (data (i32.const 8) "abc")
  (func (export "_start") (call $log (i32.load (i32.const 8))) (call $log (i32.load (i32.const 4)))))

(module
  (import "host" "log" (func $log (param i32)))
  (memory 1)
  (data (i32.const 65535) "ab")
  (func (export "_start") (call $log (i32.const 1))))

(module
  (import "host" "log" (func $log (param i32)))
  (memory 1)
  (data (i32.const -1) "")
  (func (export "_start") (call $log (i32.const 2))))

(module
  (import "host" "log" (func $log (param i32)))
  (memory 1)
  (data $d (i32.const 0) "abcd")
  (data $p "abcd")
  (func (export "_start")
    (memory.init $p (i32.const 20) (i32.const 0) (i32.const 4))
    (call $log (i32.load (i32.const 20)))
    (data.drop $p)
    (memory.init $p (i32.const 0) (i32.const 0) (i32.const 0))
    (memory.init $d (i32.const 0) (i32.const 0) (i32.const 4))
    (call $log (i32.const 3))))

(module
  (import "host" "log" (func $log (param i32)))
  (import "host" "base" (global $b i32))
  (memory 1)
  (data (offset (global.get $b)) "wxyz")
  (func (export "_start") (call $log (i32.load (i32.const 1024)))))

(module
  (import "host" "log" (func $log (param i32)))
  (memory $a 1)
  (memory $b 2)
  (data (memory $b) (i32.const 4) "hey!")
  (data (memory $a) (i32.const 0) "you?")
  (func (export "_start")
    (call $log (i32.load $b (i32.const 4)))
    (call $log (i32.load $a (i32.const 0)))
    (call $log (i32.load $a (i32.const 4)))
    (memory.copy $a $b (i32.const 8) (i32.const 4) (i32.const 4))
    (call $log (i32.load $a offset=4 (i32.const 4)))
    (call $log (memory.size $b))))
