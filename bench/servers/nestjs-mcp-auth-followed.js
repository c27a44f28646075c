/** This library, with the caller known everywhere below the handler. */
import { McpAuthModule } from '../../dist/index.js';

export default ({ resource, issuer }) => ({
  imports: [McpAuthModule.forRoot({ resource, authorizationServers: [issuer], followCaller: true })],
});
