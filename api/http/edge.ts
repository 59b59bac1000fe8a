import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { ulid } from 'ulid';

import { logProblem, Problem, problemBody, problemHeaders, problemOf } from './errors';
import { fieldErrorsOf, sentenceOf } from './field-errors';
import { parseJson } from './json-text';
import { linesMedia } from './lines';
import { bodyBytesMax, headerBytesMax, paramLengthMax } from './size-limits';
import { handlerMs, type Api } from './route-rules';

const requestIdPattern = /^[A-Za-z0-9_-]{8,64}$/;
/** Methods that a route may be asked with; one that it does not take is a 405. */
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

interface EdgeOptions {
  readonly logger: FastifyBaseLogger;
  /** Proxies in front whose `X-Forwarded-For` is believed. */
  readonly trustProxyHops: number;
}

/**
 * The server without routes: its limits on time and size, its body parsers, and problem+json for everything that
 * can go wrong, also before and beside the routes. Opens no port.
 */
export function createEdge({ logger, trustProxyHops }: EdgeOptions): Api {
  const api = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }), // `guards.ts` writes one line an answer.
    trustProxy: (_, hop) => hop < trustProxyHops,
    genReqId: requestIdOf,
    bodyLimit: bodyBytesMax,
    handlerTimeout: handlerMs,
    requestTimeout: 300_000, // The whole request may be a stream; a handler is timed by itself.
    connectionTimeout: 60_000, // A silent socket; longer than the longest wait.
    keepAliveTimeout: 72_000, // Above a balancer's 60 s, or it would meet a closing connection.
    http: {
      headersTimeout: 10_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: headerBytesMax,
    },
    routerOptions: { maxParamLength: paramLengthMax },
    return503OnClosing: false, // `stopping` is said by us, to starts alone: the rest is still served.
    frameworkErrors: (error, request, reply) => sendProblem(request, reply, problemOf(error)),
    clientErrorHandler: (error, socket) => answerSocket(socket, problemOfSocket(error.code)),
  }).withTypeProvider<ZodTypeProvider>();

  api.setValidatorCompiler(validatorCompiler);
  api.setSerializerCompiler(serializerCompiler);
  api.decorateRequest('principal', null);
  api.decorateRequest('idempotencyKey', null);
  api.decorateRequest('bodyAsSent', null);
  api.decorateRequest('problemCode', null);
  api.decorateRequest('gidSteered', null);
  parseBodies(api);
  api.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-request-id': request.id, 'cache-control': 'no-store' });
    return Promise.resolve();
  });
  api.setErrorHandler((error, request, reply) =>
    sendProblem(request, reply, problemOfRequest(error)),
  );
  api.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, new Problem('route_not_found')),
  );
  api.server.on('checkExpectation', (request: IncomingMessage, response) => {
    const problem = new Problem('expectation_failed');
    const body = JSON.stringify(problemBody(problem, requestIdOf(request)));
    response.writeHead(problem.status, rawHeaders(problem, body));
    response.end(body);
  });
  return api;
}

/** Answers 405 with `Allow` where a path is known and the method is not. Called before the first route. */
export function refuseOtherMethods(api: Api): () => void {
  const taken = new Map<string, Set<string>>();
  api.addHook('onRoute', ({ url, method, config }) => {
    if (!config?.rules) return;
    const set = taken.get(url) ?? new Set();
    for (const one of [method].flat()) set.add(one);
    taken.set(url, set);
  });
  return () => {
    for (const [url, set] of [...taken]) {
      const others = methods.filter(
        (method) => !set.has(method) && !isTakenBeside(url, method, taken),
      );
      api.route({
        url,
        method: others,
        schema: { hide: true },
        handler: () => {
          const allowed = [...set].join(', ');
          throw new Problem('method_not_allowed', {
            detail: `This route takes ${allowed}.`,
            headers: { allow: allowed },
          });
        },
      });
    }
  };
}

/** Whether a path with a parameter takes this one, too: `/v1/orders/:id` that of the order `bulk`. */
const isTakenBeside = (
  url: string,
  method: string,
  taken: ReadonlyMap<string, ReadonlySet<string>>,
): boolean =>
  [...taken].some(([other, set]) => other !== url && set.has(method) && fits(url, other));

function fits(url: string, template: string): boolean {
  const [parts, wanted] = [url.split('/'), template.split('/')];
  return (
    parts.length === wanted.length &&
    wanted.every((part, at) => part.startsWith(':') || part === parts[at])
  );
}

/** JSON, whole; or lines as they come, which their route reads. A route takes one of both. */
function parseBodies(api: Api): void {
  api.removeAllContentTypeParsers(); // Fastify would take text/plain, too.
  const options = { parseAs: 'buffer' } as const;
  api.addContentTypeParser<Buffer>(
    /^application\/json(?:\s*;|$)/i,
    options,
    (request, body, done) => {
      try {
        if (takesLines(request)) throw new Problem('unsupported_media_type');
        // No body at all is the body that was left out, for routes that need none.
        const value = body.length === 0 ? undefined : parseJson(body);
        request.bodyAsSent = value ?? null;
        done(null, value);
      } catch (error) {
        done(problemOf(error));
      }
    },
  );
  api.addContentTypeParser(linesMedia, (request, body, done) => {
    if (takesLines(request)) done(null, body);
    else done(new Problem('unsupported_media_type'));
  });
}

const takesLines = ({ routeOptions }: FastifyRequest): boolean =>
  routeOptions.config.rules?.takesLines === true;

function requestIdOf({ headers }: { readonly headers: IncomingMessage['headers'] }): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && requestIdPattern.test(given) ? given : ulid();
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): void {
  request.problemCode = problem.code;
  logProblem(request.log, problem);
  void reply
    .code(problem.status)
    .headers({
      'x-request-id': request.id,
      'cache-control': 'no-store',
      ...problemHeaders(problem),
    })
    .type('application/problem+json')
    .send(JSON.stringify(problemBody(problem, request.id)));
}

function problemOfRequest(error: unknown): Problem {
  if (!hasZodFastifySchemaValidationErrors(error)) return problemOf(error);
  const errors = fieldErrorsOf(error.validation, error.validationContext === 'body');
  return new Problem('invalid_request', { errors, detail: sentenceOf(errors) });
}

const problemOfSocket = (code: string): Problem => {
  if (code === 'HPE_HEADER_OVERFLOW') return new Problem('headers_too_large');
  return new Problem(code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'request_timeout' : 'bad_http');
};

/** Writes to a connection on which no request could be read. */
function answerSocket(socket: Socket, problem: Problem): void {
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify(problemBody(problem, ulid()));
  const lines = Object.entries(rawHeaders(problem, body)).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  socket.end(`HTTP/1.1 ${problem.status} ${problem.code}\r\n${lines.join('')}\r\n${body}`);
}

const rawHeaders = (problem: Problem, body: string): Record<string, string> => ({
  'content-type': 'application/problem+json',
  'cache-control': 'no-store',
  'content-length': String(Buffer.byteLength(body)),
  connection: 'close',
  ...problemHeaders(problem),
});
