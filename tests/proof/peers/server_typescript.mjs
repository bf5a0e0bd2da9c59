// A server made with the TypeScript SDK: the older era, without sessions, on a port it prints.
import http from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(pathToFileURL(process.env.WATCHKEEPER_TEST_MODULES + '/'));
const { McpServer } = require('@modelcontextprotocol/sdk/server/mcp.js');
const { StreamableHTTPServerTransport } = require('@modelcontextprotocol/sdk/server/streamableHttp.js');
const { z } = require('zod');

const made = () => {
  const server = new McpServer({ name: 'typescript', version: '1.0.0' });
  server.registerTool('add', { description: 'Add two numbers.', inputSchema: { a: z.number(), b: z.number() } },
    async ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }));
  server.registerResource('one', 'res://one', { description: 'One.' },
    async (uri) => ({ contents: [{ uri: uri.href, text: 'one' }] }));
  server.registerPrompt('greet', { description: 'Greet.', argsSchema: { name: z.string() } },
    ({ name }) => ({ messages: [{ role: 'user', content: { type: 'text', text: `Hello, ${name}` } }] }));
  return server;
};

const serving = http.createServer(async (request, response) => {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on('close', () => transport.close());
  await made().connect(transport);
  await transport.handleRequest(request, response);
});
serving.listen(0, '127.0.0.1', () => console.log(serving.address().port));
