/** Nothing is written, and this is printed: what was seen, and what to do. */
export class SchematicError extends Error {
  override readonly name = 'SchematicError';

  constructor(seen: string, advice: string) {
    super(`${seen} Nothing was changed. ${advice}`);
  }
}
