/** This library with its defaults. */
import { McpAuthModule } from '../../dist/index.js';

export default ({ resource, issuer }) => ({
  imports: [McpAuthModule.forRoot({ resource, authorizationServers: [issuer] })],
});
