/**
 * HTTP probe: a GET whose answer is between 200 and 399 is a success. Certificates are not checked.
 *
 * Redirects within the same host are followed, those that leave it count as success. At most 10 KiB
 * of an answer is read.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Verdict } from "./attempt.ts";
import { dialError } from "./tcp.ts";

export interface HttpProbe {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly timeoutMs: number;
}

const MAX_REDIRECTS = 10;
const READ_BYTES = 10_240;

export async function probeHttp(probe: HttpProbe): Promise<Verdict> {
  const authority = `${probe.host.includes(":") ? `[${probe.host}]` : probe.host}:${probe.port}`;
  let url = new URL(
    probe.path.startsWith("/") ? probe.path : `/${probe.path}`,
    `${probe.scheme.toLowerCase()}://${authority}`,
  );
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const answer = await get(url, probe);
    if ("failure" in answer) return { ok: false, output: answer.failure };
    const { status, location } = answer;
    if (status >= 300 && status < 400 && location !== undefined) {
      const next = new URL(location, url);
      if (next.hostname !== url.hostname) return { ok: true, output: "Probe terminated redirects" };
      url = next;
      continue;
    }
    const ok = status >= 200 && status < 400;
    return { ok, output: ok ? "" : `HTTP probe failed with statuscode: ${status}` };
  }
  return { ok: false, output: `Get "${url}": stopped after ${MAX_REDIRECTS} redirects` };
}

/** A header may be given several times; an empty value takes away what a probe says by itself. */
function headersOf(given: HttpProbe["headers"]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {
    "user-agent": "kube-probe/1.36",
    accept: "*/*",
    connection: "close",
  };
  const byName = Map.groupBy(given, ([name]) => name.toLowerCase());
  for (const [name, list] of byName) {
    const values = list.map(([, value]) => value);
    const removed = (name === "user-agent" || name === "accept") && values.every((value) => value === "");
    if (removed) delete headers[name];
    else headers[name] = values.length === 1 ? (values[0] ?? "") : values;
  }
  return headers;
}

type Answer = { readonly status: number; readonly location: string | undefined } | { readonly failure: string };

function get(url: URL, { headers, timeoutMs }: HttpProbe): Promise<Answer> {
  return new Promise((resolve) => {
    const options: RequestOptions = {
      method: "GET",
      headers: headersOf(headers),
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
    };
    const onAnswer = (answer: IncomingMessage) => {
      let read = 0;
      const finish = () => {
        resolve({ status: answer.statusCode ?? 0, location: answer.headers.location });
        answer.destroy();
      };
      answer.on("data", (chunk: Buffer) => {
        read += chunk.length;
        if (read >= READ_BYTES) finish();
      });
      answer.once("end", finish);
      answer.once("error", () => finish());
    };
    const request: ClientRequest =
      url.protocol === "https:"
        ? httpsRequest(url, { ...options, rejectUnauthorized: false }, onAnswer)
        : httpRequest(url, options, onAnswer);
    request.once("error", (error) => resolve({ failure: `Get "${url}": ${words(url, error)}` }));
    request.end();
  });
}

function words(url: URL, error: NodeJS.ErrnoException): string {
  if (error.name === "AbortError" || error.name === "TimeoutError") {
    return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
  }
  return dialError(url.hostname, Number(url.port || (url.protocol === "https:" ? 443 : 80)), error);
}
