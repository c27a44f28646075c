import { expect, it } from '@jest/globals';
import { createApp } from '../../sample/01-quick-start/app.js';
import { platform } from '../../sample/notes-server/platform.js';
import { startNotesServer } from '../../sample/notes-server/servers.js';
import { examine } from '../support/doctor.js';

it('doctor finds nothing wrong with the quick start and its authorization server', async () => {
  const { resource, close } = await startNotesServer(async () => createApp(await platform()), {
    mcp: 0,
    authorizationServer: 0,
  });
  const { code, of } = await examine(resource);
  await close();
  expect({ code, errors: of('error'), warnings: of('warning') }).toEqual({ code: 0, errors: [], warnings: [] });
});
