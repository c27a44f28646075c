/** This library with `followCaller: true`: code below the handler can ask who is calling. */
import { McpAuthModule } from '../../dist/index.js';

export default ({ resource, issuer }) => ({
  imports: [McpAuthModule.forRoot({ resource, authorizationServers: [issuer], followCaller: true })],
});
