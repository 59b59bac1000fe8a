/** The other side of `activities/regions/json-line.ts`: one line, one answer, and the end of the connection. */
import type { Socket } from 'node:net';

const orderBytesMax = 16_384;

/** @param obey answers an order; a line that is no JSON arrives as `undefined`. It never rejects. */
export function serveLines(socket: Socket, obey: (order: unknown) => unknown): void {
  let text = '';
  socket.setEncoding('utf8');
  socket.on('error', () => undefined); // The client has gone.
  socket.on('data', (chunk: string) => {
    text += chunk;
    const end = text.indexOf('\n');
    if (end < 0 && text.length <= orderBytesMax) return;
    socket.removeAllListeners('data');
    void Promise.resolve(obey(parsed(text.slice(0, end)))).then((answer) =>
      socket.end(`${JSON.stringify(answer)}\n`),
    );
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
