/** The guard that people write by hand. */
import { bearerGuard } from './bearer-guard.js';
import { joseVerification } from './jose-verification.js';

export default (settings) => ({ providers: [bearerGuard(joseVerification(settings))] });
