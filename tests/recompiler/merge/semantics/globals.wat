(module
  (import "host" "log" (func $log (param i32)))
  (global $g (mut i32) (i32.const 5))
  (func (export "_start") (global.set $g (i32.add (global.get $g) (i32.const 1)))(call $log (global.get $g))))

(module
  (import "host" "log" (func $log (param i32)))
  (global $g (mut i32) (i32.const 9))
  (global $h (mut i32) (i32.const 10))
  (func (export "_start") (call $log (global.get $g)) (call $log (global.get $h))))

(module
  (import "host" "log" (func $log (param i32)))
  (global $c i32 (i32.const 77))
  (global $g (mut i32) (global.get $c))
  (func (export "_start") (call $log (global.get $g))))

(module
  (import "host" "log" (func $log (param i32)))
  (import "host" "base" (global $b i32))
  (global $g (mut i32) (global.get $b))
  (func (export "_start") (call $log (global.get $g))))

(module
  (import "host" "log" (func $log (param i32)))
  (global $g (mut i64) (i64.const -3))
  (global $f (mut f64) (f64.const 2.5))
  (func (export "_start")
    (call $log (i32.wrap_i64 (global.get $g)))
    (call $log (i32.trunc_f64_s (global.get $f)))))

(module
  (import "host" "log" (func $log (param i32)))
  (global $v (mut v128) (v128.const i32x4 1 2 3 4))
  (global $r (mut externref) (ref.null extern))
  (func (export "_start")
    (call $log (i32x4.extract_lane 2 (global.get $v)))
    (call $log (ref.is_null (global.get $r)))))

(module
  (import "host" "log" (func $log (param i32)))
  (type $t (func (result i32)))
  (func $f (type $t) (i32.const 31))
  (elem declare func $f)
  (table 1 funcref)
  (global $r (mut funcref) (ref.func $f))
  (global $n (mut (ref $t)) (ref.func $f))
  (global $i funcref (ref.func $f))
  (func (export "_start")
    (table.set 0 (i32.const 0) (global.get $r))
    (call $log (call_indirect (type $t) (i32.const 0)))
    (call $log (call_ref $t (global.get $n)))
    (call $log (ref.is_null (global.get $i)))))
