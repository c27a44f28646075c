/** Every value that occurred before, once for each repetition. */
export function repetitions(values: readonly string[]): string[] {
  return values.filter((value, index) => values.indexOf(value) < index);
}
