/**
 * Unix transport: HTTP over a unix socket, for processes on the server's own machine.
 *
 * Who may connect is the socket file's mode; who the client is, its token says.
 */
import { Agent, request as httpRequest } from "node:http";
import type { Transport } from "./contract.ts";
import { type ExchangeOptions, httpTransport } from "./exchange.ts";

export interface UnixOptions extends ExchangeOptions {
  readonly socketPath: string;
  readonly token?: string | undefined;
}

export function unixTransport({ socketPath, token, onWarning }: UnixOptions): Transport {
  const agent = new Agent({ keepAlive: true });
  return httpTransport(
    {
      address: `unix:${socketPath}`,
      compress: false,
      open: (options) => httpRequest({ ...options, agent, socketPath }),
      headers: async () => (token ? { authorization: `Bearer ${token}` } : {}),
      close: () => agent.destroy(),
    },
    { onWarning },
  );
}
