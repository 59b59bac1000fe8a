import { ConfigurationError } from './environment';

/** Address on which a process listens, and its variables. */
export interface Listening {
  readonly host: string;
  readonly port: number;
  readonly variables: { readonly host: string; readonly port: string };
}

/** @returns a sentence that names the variable, if the address causes the error; otherwise the same error. */
export function listenError(error: unknown, { host, port, variables }: Listening): unknown {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
  switch (code) {
    case 'EADDRINUSE':
      return new ConfigurationError(
        `${variables.port}: port ${port} of ${host} is in use by another process.`,
      );
    case 'EACCES':
      return new ConfigurationError(
        `${variables.port}: this user may not listen at port ${port} of ${host}.`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EINVAL':
      return new ConfigurationError(`${variables.host}: ${host} is no address of this machine.`);
    default:
      return error;
  }
}
