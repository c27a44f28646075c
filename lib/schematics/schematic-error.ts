/** Stops the schematic before it writes anything. The message says what it found, and what to do. */
export class SchematicError extends Error {
  override readonly name = 'SchematicError';

  constructor(seen: string, advice: string) {
    super(`${seen} Nothing was changed. ${advice}`);
  }
}
