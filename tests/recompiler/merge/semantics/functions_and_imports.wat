(module
  (import "host" "log" (func $log (param i32)))
  (func $s (call $log (i32.const 1)))
  (start $s)
  (func (export "_start") (call $log (i32.const 2))))

(module
  (import "host" "log" (func $log (param i32)))
  (memory 1)
  (data (i32.const 0) "*")
  (func $s (call $log (i32.load8_u (i32.const 0))) unreachable)
  (start $s)
  (func (export "_start") (call $log (i32.const 2))))

(module
  (import "host" "seven" (func $seven (result i32)))
  (import "host" "log" (func $log (param i32)))
  (func (export "_start") (call $log (call $seven))))

(module
  (import "host" "log" (func $log (param i32)))
  (import "host" "memory" (memory 1 3))
  (data (i32.const 0) "\07")
  (func (export "_start") (call $log (i32.load (i32.const 0))) (call $log (memory.size))))

(module
  (import "host" "log" (func $log (param i32)))
  (func $even (param i32) (result i32)
    (if (result i32)
      (i32.eqz (local.get 0))
      (then (i32.const 1))
      (else (return_call $odd (i32.sub (local.get 0) (i32.const 1))))))
  (func $odd (param i32) (result i32)
    (if (result i32)
      (i32.eqz (local.get 0))
      (then (i32.const 0))
      (else (return_call $even (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "_start") (call $log (call $even (i32.const 100001)))))

(module
  (import "host" "log" (func $log (param i32)))
  (tag $e (param i32))
  (tag $o (param i32))
  (func $f (throw $e (i32.const 44)))
  (func (export "_start")
    (call $log (block $b (result i32) (try_table (catch $o 0) (catch $e 0) (call $f)) (i32.const 0)))))

(module
  (import "host" "log" (func $log (param i32)))
  (tag $e (param i32))
  (func $f (throw $e (i32.const 45)))
  (func (export "_start") (call $f)))

(module
  (import "host" "log" (func $log (param i32)))
  (func $two (result i32 i32) (i32.const 3) (i32.const 4))
  (type $b (func (param i32) (result i32 i32)))
  (func (export "_start")
    (call $log (i32.sub (call $two)))
    (i32.const 9)
    (block (type $b) (i32.const 8))
    (call $log)
    (call $log)))

(module
  (import "host" "log" (func $log (param i32)))
  (memory 1)
  (func (export "_start")
    (i64.store (i32.const 0) (i64.const -1))
    (i64.mul_wide_u (i64.load (i32.const 0)) (i64.load (i32.const 0)))
    (drop)
    (call $log (i32.wrap_i64))))

(module
  (import "host" "log" (func $log (param i32)))
  (memory 1)
  (func (export "_start")
    (v128.store
      (i32.const 16)
      (i8x16.shuffle 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0
        (v128.const i32x4 1 2 3 4)
        (v128.const i32x4 0 0 0 0)))
    (call $log (i32.load (i32.const 16)))
    (call $log (i32.load offset=8 align=1 (i32.const 16)))))
