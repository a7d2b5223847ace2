export function helper(x: any) { return x + 1 }
export const unused = 1;
