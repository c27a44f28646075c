import { jest } from '@jest/globals';

/**
 * In CI, where all servers, clients and browsers share a small machine, a test that fails is tried once more; what went wrong
 * the first time is printed all the same, to be mended.
 */
jest.retryTimes(1, { logErrorsBeforeRetry: true });
