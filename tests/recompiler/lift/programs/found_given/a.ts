interface A { x: number; y?: string }
enum Color { Red = 1, Green, Blue }
export class Foo<T extends A> { private z = 1; constructor(public a: T) {} get q() { return this.a?.x ?? 3 } async *gen() { yield* [1, 2, 3] } }
export const f = async <T,>(x: T): Promise<T> => { const { a, ...rest } = x as any; return await rest };
import { helper } from "./helper"; console.log(helper(1n ** 3n), `t${1 + 2}`, /re/gu.test("x"), Color.Blue);
namespace N { export const v = 0.1 + 1e21 }
@dec class D { @dec m() {} } declare function dec(...a: any[]): any;
