/** Errors that came of looking for the metadata, rather than of what it led to. */
const failures = new WeakSet<object>();

/** Waits for a search for the metadata of an authorization server, and remembers its failure as such. */
export async function asSearch<T>(search: Promise<T>): Promise<T> {
  try {
    return await search;
  } catch (error) {
    if (typeof error === 'object' && error !== null) failures.add(error);
    throw error;
  }
}

/** Whether the metadata could not be had or used, so that nothing further was tried. */
export function isFailedSearch(error: unknown): boolean {
  return typeof error === 'object' && error !== null && failures.has(error);
}
