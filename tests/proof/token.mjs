// Loaded into the conformance suite, which knows no credentials: adds the gateway's token to each request it makes.
import http from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(pathToFileURL(process.env.WATCHKEEPER_TEST_MODULES + '/'));
const { Agent, setGlobalDispatcher } = require('undici');
const bearer = `Bearer ${process.env.WATCHKEEPER_TEST_TOKEN}`;

const added = (headers) => {
  if (Array.isArray(headers)) return [...headers, 'authorization', bearer];
  if (typeof headers?.[Symbol.iterator] === 'function') return [...headers, ['authorization', bearer]];
  return { ...headers, authorization: bearer };
};
const withToken = (dispatch) => (options, handler) => dispatch({ ...options, headers: added(options.headers) }, handler);
setGlobalDispatcher(new Agent().compose(withToken));

const request = http.request;
http.request = (...given) => {
  const made = request(...given);
  made.setHeader('authorization', bearer);
  return made;
};
