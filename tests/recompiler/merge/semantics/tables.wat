(module
  (import "host" "log" (func $log (param i32)))
  (table 3 3 funcref)
  (func $a (result i32) (i32.const 1))
  (func $b (result i32) (i32.const 2))
  (elem (i32.const 1) $a $b)
  (func (export "_start")
    (call $log (call_indirect (result i32) (i32.const 2)))
    (call $log (call_indirect (result i32) (i32.const 1)))
    (call $log (call_indirect (result i32) (i32.const 0)))))

(module
  (import "host" "log" (func $log (param i32)))
  (table 9 9 funcref)
  (func $a (result i32) (i32.const 3))
  (elem (i32.const 8) $a)
  (func (export "_start")
    (call $log (call_indirect (result i32) (i32.const 8)))
    (call $log (call_indirect (param i32) (result i32) (i32.const 8) (i32.const 8)))))

(module
  (import "host" "log" (func $log (param i32)))
  (table 2 2 funcref)
  (func $a (result i32) (i32.const 3))
  (elem (i32.const 1) $a)
  (func (export "_start")
    (call $log (call_indirect (result i32) (i32.const 1)))
    (call $log (call_indirect (result i32) (i32.const 8)))))

(module
  (import "host" "log" (func $log (param i32)))
  (table 2 2 funcref)
  (func $a)
  (elem (i32.const 1) $a $a)
  (func (export "_start") (call $log (i32.const 1))))

(module
  (import "host" "log" (func $log (param i32)))
  (table 2 8 funcref)
  (func (export "_start")
    (call $log (table.size))
    (call $log (table.grow (ref.null func) (i32.const 3)))
    (call $log (table.size))
    (call $log (ref.is_null (table.get (i32.const 4))))
    (call $log (ref.is_null (table.get (i32.const 5))))))

(module
  (import "host" "log" (func $log (param i32)))
  (table $x 2 externref)
  (table $f 4 funcref)
  (func $a (result i32) (i32.const 6))
  (elem $e func $a $a)
  (func (export "_start")
    (table.init $f $e (i32.const 1) (i32.const 0) (i32.const 2))
    (call $log (call_indirect $f (result i32) (i32.const 2)))
    (call $log (table.size $x))
    (elem.drop $e)
    (table.init $f $e (i32.const 1) (i32.const 0) (i32.const 2))))

(module
  (import "host" "log" (func $log (param i32)))
  (type $t (func (result i32)))
  (func $f (type $t) (i32.const 12))
  (table $t 4 4 (ref $t) (ref.func $f))
  (func (export "_start") (call $log (call_ref $t (table.get $t (i32.const 3)))) (call $log (table.size $t))))

(module
  (import "host" "log" (func $log (param i32)))
  (type $t (func (result i32)))
  (func $f (type $t) (i32.const 12))
  (table 4 4 funcref)
  (elem (i32.const 0) funcref (ref.func $f) (ref.null func))
  (func (export "_start")
    (call $log (call_indirect (type $t) (i32.const 0)))
    (call $log (call_indirect (type $t) (i32.const 1)))))
