import { demonstrate } from '../demo-client/demonstration.js';

await demonstrate(new URL('main.js', import.meta.url), ['2025-11-25', '2026-07-28']);
