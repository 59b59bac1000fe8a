// Loaded before a program that must not outlive who started it: when the other end of this pipe closes, that one is gone.
import { Socket } from 'node:net';

new Socket({ fd: 3, readable: true, writable: false })
  .on('close', () => process.kill(process.pid, 'SIGTERM'))
  .on('error', () => undefined)
  .resume()
  .unref();
