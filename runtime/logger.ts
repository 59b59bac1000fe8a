import { pino, type Logger, type LoggerOptions } from 'pino';

export type { Logger } from 'pino';

/** Fields that may contain a secret, in the first three levels. */
const secretFields = ['password', 'authorization', 'token', 'apiKey', 'secret', 'url', 'uri'];

/** The password of a URL inside any text: drivers quote the address that they could not reach. */
const urlPassword = /(\w+:\/\/[^\s:@/]*):[^\s@/]*@/g;

/** Logs of one process, as JSON lines to standard output; without secrets. */
export function createLogger(options: {
  readonly process: string;
  readonly level: string;
  /** Left out: standard output. */
  readonly destination?: { write(line: string): void };
}): Logger {
  const settings: LoggerOptions = {
    name: options.process,
    level: options.level,
    redact: {
      paths: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
      censor: '[redacted]',
    },
    serializers: { err: describeError },
    hooks: { streamWrite: (line) => line.replace(urlPassword, '$1:[redacted]@') },
  };
  return options.destination ? pino(settings, options.destination) : pino(settings);
}

/** The logged part of an error. The driver's own fields have the statement and its values, which are business data. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const code = 'code' in error ? error.code : undefined;
  return {
    name,
    message,
    ...(code === undefined ? {} : { code }),
    stack,
    ...(cause instanceof Error ? { cause: describeError(cause) } : {}),
  };
}
