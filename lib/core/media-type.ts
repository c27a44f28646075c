/** The media type in a value of `Content-Type`, in lower case and without parameters; empty where there is none. */
export function mediaTypeOf(contentType: unknown): string {
  const text = String(contentType ?? '');
  const end = text.indexOf(';');
  return (end === -1 ? text : text.slice(0, end)).trim().toLowerCase();
}

/** Whether a media type, in lower case and without parameters, is JSON. */
export function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || /^application\/[\w.+-]+\+json$/.test(mediaType);
}
