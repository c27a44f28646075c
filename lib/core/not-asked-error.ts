/** A server, or a function of the application, was not asked, so that it is not overloaded. */
export class NotAskedError extends Error {
  override readonly name: string = 'NotAskedError';

  constructor(
    message: string,
    /** After which it may be asked again. */
    readonly retryAfterSeconds: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
