/**
 * Counted: a transport that counts its requests by method and answer, as client-go does.
 *
 * A success is told by the code that the API answers it with: 201 for what was created, else 200.
 */
import { ApiError } from "../../objects/status.ts";
import type { Counter, Metrics } from "../../process/metrics.ts";
import type { ClientRequest, Transport } from "./contract.ts";

export interface RequestCounts {
  readonly counted: (transport: Transport) => Transport;
}

/** `host`: which server is asked. */
export function createRequestCounts(metrics: Metrics, host: string): RequestCounts {
  const family = metrics.counter(
    "rest_client_requests_total",
    "Number of HTTP requests, partitioned by status code, method, and host.",
    ["code", "host", "method"],
  );
  const children = new Map<string, Counter>();
  const count = (method: string, code: string) => {
    const key = `${method} ${code}`;
    const child = children.get(key) ?? family.of(code, host, method);
    children.set(key, child);
    child.value++;
  };
  const succeeded = ({ method }: ClientRequest) => count(method, method === "POST" ? "201" : "200");
  const failed = ({ method }: ClientRequest, error: unknown) =>
    count(method, error instanceof ApiError ? String(error.code) : "<error>");

  async function* counting<T>(request: ClientRequest, parts: AsyncIterable<T>): AsyncIterable<T> {
    let begun = false;
    try {
      for await (const part of parts) {
        if (!begun) succeeded(request);
        begun = true;
        yield part;
      }
      if (!begun) succeeded(request);
    } catch (error) {
      if (!begun) failed(request, error);
      throw error;
    }
  }

  return {
    counted: (transport) => ({
      shared: transport.shared,
      async request(request) {
        try {
          const answer = await transport.request(request);
          succeeded(request);
          return answer;
        } catch (error) {
          failed(request, error);
          throw error;
        }
      },
      watch: (request) => counting(request, transport.watch(request)),
      stream: (request) => counting(request, transport.stream(request)),
      close: () => transport.close(),
    }),
  };
}
