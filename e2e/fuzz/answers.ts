/**
 * Answers: sends a request straight into the pipeline, or as bytes over https, and reads all there is to the answer.
 *
 * An answer that is made while it is read counts too: lists in slices, the first events of a watch.
 */
import { Agent, request as httpsRequest } from "node:https";
import { targetFromFile } from "../../machinery/client/kubeconfig.ts";
import type { Handler, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { homePaths } from "../../machinery/process/home.ts";
import type { FuzzRequest } from "./requests.ts";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly bytes: Uint8Array;
  readonly form: "object" | "bytes" | "stream" | "none";
}

export type Send = (request: FuzzRequest) => Promise<Answer>;

/** How long events of a watch are waited for. */
const WATCH_MS = 2;
/** How long a node, which never comes, is waited for. */
const PATIENCE_MS = 5;

export function sendDirect(handler: Handler): Send {
  return async ({ method, path, headers, body, reaches }) => {
    const mark = path.indexOf("?");
    const gone = new AbortController();
    const away = () => gone.abort(new Error("the client went away"));
    if (reaches) clock.after(PATIENCE_MS, away, { background: true });
    const response = await handler({
      method,
      path: mark < 0 ? path : path.slice(0, mark),
      query: new URLSearchParams(mark < 0 ? "" : path.slice(mark + 1)),
      headers: Object.fromEntries(Object.entries(headers)),
      body: body === undefined || body.length === 0 ? { kind: "none" } : { kind: "bytes", bytes: body },
      peer: { kind: "certificate", user: "admin", groups: ["system:masters"] },
      upgrade: false,
      signal: gone.signal,
    });
    try {
      const type = String(response.headers["content-type"] ?? "");
      return { status: response.status, type, ...(await readBody(response.body)) };
    } finally {
      away();
    }
  };
}

async function readBody(body: ResponseRecord["body"]): Promise<Pick<Answer, "bytes" | "form">> {
  switch (body.kind) {
    case "bytes":
      return { bytes: body.bytes, form: "bytes" };
    case "object": {
      const slices = body.encoded ? [...body.encoded()] : [Buffer.from(JSON.stringify(body.value()))];
      return { bytes: Buffer.concat(slices), form: "object" };
    }
    case "watch":
      return {
        bytes: Buffer.concat(await begun(body.batches, (batch) => batch.map((one) => one.encoded()))),
        form: "stream",
      };
    case "stream":
      return { bytes: Buffer.concat(await begun(body.chunks, (chunk) => [chunk])), form: "stream" };
    default:
      return { bytes: Buffer.alloc(0), form: "none" };
  }
}

/** What comes at once. */
async function begun<T>(source: AsyncIterable<T>, bytesOf: (one: T) => readonly Uint8Array[]): Promise<Uint8Array[]> {
  const iterator = source[Symbol.asyncIterator]();
  const first = iterator.next();
  const one = await Promise.race([first, clock.sleep(WATCH_MS)]);
  // A watch that waits ends with its request, which the caller ends.
  if (one) await iterator.return?.();
  else first.then(() => iterator.return?.()).catch(ended);
  return one && !one.done ? [...bytesOf(one.value)] : [];
}

/** A source that is cut off may say so. */
function ended(error: unknown): void {
  if (!(error instanceof Error)) throw error;
}

export interface Https {
  readonly send: Send;
  close(): void;
}

export async function sendOverHttps(directory: string): Promise<Https> {
  const { access } = await targetFromFile(homePaths(directory).adminKubeconfig);
  const { ca, cert, key, server } = access;
  const agent = new Agent({ ca, cert, key, keepAlive: true, maxSockets: 4 });
  const { hostname, port } = new URL(server);
  const once: Send = ({ method, path, headers, body, streams, reaches }) =>
    new Promise((resolve, reject) => {
      const options = { hostname, port, agent, method, path: printable(path), headers: sendable(headers, body) };
      const sent = httpsRequest(options, (response) => {
        const { statusCode: status = 0, headers: told } = response;
        const type = String(told["content-type"] ?? "");
        const chunks: Buffer[] = [];
        const done = (form: Answer["form"]) => resolve({ status, type, bytes: Buffer.concat(chunks), form });
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => done(streams ? "stream" : type.includes("json") ? "object" : "bytes"));
        response.on("error", (error) => (streams ? done("stream") : reject(error)));
        if (streams && status < 300)
          clock.after(20, () => {
            done("stream");
            response.destroy();
          });
      });
      sent.on("error", (error) =>
        reaches ? resolve({ status: 200, type: "", bytes: Buffer.alloc(0), form: "none" }) : reject(error),
      );
      if (reaches) clock.after(10 * PATIENCE_MS, () => sent.destroy(), { background: true });
      sent.end(body);
    });
  // A connection that was kept may be closed at the very moment it is used again: every client tries anew.
  const send: Send = (request) => once(request).catch(() => once(request));
  return { send, close: () => agent.destroy() };
}

/** A client cannot even send other characters. */
const printable = (path: string): string => path.toWellFormed().replace(/[^\x21-\x7e]/g, encodeURIComponent);

function sendable(headers: FuzzRequest["headers"], body: Uint8Array | undefined): Record<string, string> {
  const good = Object.entries(headers).filter(([, value]) => /^[\x20-\x7e\x80-\xff]*$/.test(value));
  return { ...Object.fromEntries(good), "content-length": String(body?.length ?? 0) };
}
