import { pino, type Logger } from 'pino';

/** Logs of the API: JSON lines without credentials; bodies are never given to it. */
export const createLogger = (level: string): Logger =>
  pino({
    level,
    base: { role: 'api' },
    redact: ['*.headers.authorization', 'authorization', '*.headers["idempotency-key"]'],
  });
