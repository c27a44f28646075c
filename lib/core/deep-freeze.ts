/** Freezes plain data at every depth, without recursion, and returns the same object. */
export function deepFreeze<T>(value: T): T {
  const open: object[] = isObject(value) ? [value] : [];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (Object.isFrozen(next)) continue;
    Object.freeze(next);
    for (const member of Object.values(next) as unknown[]) if (isObject(member)) open.push(member);
  }
  return value;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
