(module
  (import "host" "log" (func $log (param i32)))
  (memory 1)
  (func (export "_start")
    (call $log (memory.size))
    (call $log (memory.grow (i32.const 2)))
    (call $log (memory.size))))

(module
  (import "host" "log" (func $log (param i32)))
  (memory 5)
  (func (export "_start")
    (call $log (memory.size))
    (call $log (memory.grow (i32.const 2)))
    (call $log (memory.size))))

(module
  (import "host" "log" (func $log (param i32)))
  (memory 3 4)
  (func (export "_start")
    (call $log (memory.size))
    (call $log (memory.grow (i32.const 2)))
    (call $log (memory.grow (i32.const 1)))))

(module
  (import "host" "log" (func $log (param i32)))
  (memory 0)
  (func (export "_start") (call $log (memory.size)) (call $log (i32.load (i32.const 0)))))

(module
  (import "host" "log" (func $log (param i32)))
  (memory i64 2)
  (func (export "_start") (call $log (i32.wrap_i64 (memory.size))) (call $log (i32.load (i64.const 131068)))))

(module
  (import "host" "log" (func $log (param i32)))
  (memory 2 2 shared)
  (func (export "_start")
    (call $log (i32.atomic.rmw.add (i32.const 4) (i32.const 3)))
    (call $log (i32.load (i32.const 4)))))

(module
  (import "host" "log" (func $log (param i32)))
  (func (export "_start") nop))
