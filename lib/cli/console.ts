/** What a command uses of the process in which it runs. */
export interface Console {
  /** Standard output. */
  write(text: string): void;
  /** Standard error. */
  writeError(text: string): void;
  /** All of standard input. */
  readInput(): Promise<string>;
  readFile(path: string): Promise<string>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
}

/** @see https://no-color.org */
export function wantsColours({ isTerminal, environment }: Console): boolean {
  return isTerminal && (environment['NO_COLOR'] ?? '') === '';
}
