/** The layout of a text. Additions follow it. */
export interface Layout {
  /** One step of indentation. */
  readonly step: string;
  readonly lineEnd: string;
}

export function layoutOf(text: string): Layout {
  return {
    // A line of a block comment begins with a space and an asterisk, which is not a step.
    step: /^(\t| {2,8})(?=[^\s*])/m.exec(text)?.[1] ?? '  ',
    lineEnd: text.includes('\r\n') ? '\r\n' : '\n',
  };
}

/** The white space at the start of the line at this position. */
export function indentationAt(text: string, position: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, position)))?.[0] ?? '';
}

/** Whether only white space precedes this position in its line. */
export function beginsLine(text: string, position: number): boolean {
  return text.slice(lineStart(text, position), position).trim() === '';
}

export function lineStart(text: string, position: number): number {
  return text.lastIndexOf('\n', position - 1) + 1;
}

export function replaceBetween(text: string, start: number, end: number, replacement: string): string {
  return text.slice(0, start) + replacement + text.slice(end);
}
