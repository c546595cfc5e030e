/**
 * HTTP response: a response record written to a socket, waiting for a reader that is slow.
 *
 * Large answers go out in slices with pauses, so that one list does not hold up everybody else, and are
 * compressed where the client takes that, as in Kubernetes from 128 KiB on.
 */
import type { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { constants, createGzip } from "node:zlib";
import type { ResponseBody, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { WatchLines } from "./watch-lines.ts";

export interface WritingTools {
  readonly clock: Clock;
  readonly lines: WatchLines;
}

export async function writeResponse(
  { status, headers, body }: ResponseRecord,
  request: IncomingMessage,
  response: ServerResponse,
  { clock, lines }: WritingTools,
): Promise<void> {
  if (response.destroyed) return release(body);
  response.statusCode = status;
  for (const name in headers) response.setHeader(name, onTheWire(headers[name] as string | string[]));
  if (request.method === "HEAD") {
    response.end();
    return release(body);
  }
  switch (body.kind) {
    case "none":
      response.end();
      return;
    case "bytes":
      response.setHeader("content-length", body.bytes.length);
      response.end(body.bytes);
      return;
    case "object":
      return writeSlices(slicesOf(body), request, response, clock);
    case "stream":
      response.flushHeaders();
      return writeStream(body.chunks, response);
    case "watch":
      response.flushHeaders();
      return writeWatch(body, response, { clock, lines });
    case "upgrade":
      throw new Error("an upgrade was answered to a request that did not ask for one");
  }
}

/** Headers are UTF-8, which Node takes a byte a character; what is ASCII stays as it is. */
function onTheWire(value: string | readonly string[]): string | string[] {
  if (typeof value !== "string") return value.map((one) => onTheWire(one) as string);
  return ASCII.test(value) ? value : Buffer.from(value, "utf8").toString("latin1");
}

const ASCII = /^[\0-\x7f]*$/;

/** An upgrade that is refused is answered as an ordinary HTTP response, and the connection ends. */
export async function writeUpgradeRefusal(response: ResponseRecord, socket: Duplex): Promise<void> {
  const bytes = await bytesOf(response.body);
  const lines = [`HTTP/1.1 ${response.status} ${response.status < 400 ? "OK" : "Refused"}`];
  for (const [name, value] of Object.entries(response.headers))
    for (const one of [value].flat()) lines.push(`${name}: ${one}`);
  lines.push(`content-length: ${bytes.length}`, "connection: close");
  socket.end(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), bytes]));
}

async function bytesOf(body: ResponseBody): Promise<Uint8Array> {
  if (body.kind === "bytes") return body.bytes;
  if (body.kind === "object") return Buffer.concat([...slicesOf(body)]);
  await release(body);
  return new Uint8Array();
}

/** Ends what an answer that nobody will read holds open. */
async function release(body: ResponseBody): Promise<void> {
  const source = body.kind === "watch" ? body.batches : body.kind === "stream" ? body.chunks : undefined;
  await (source as AsyncIterable<unknown> | undefined)?.[Symbol.asyncIterator]().return?.();
}

function slicesOf(body: ResponseBody & { kind: "object" }): Iterable<Uint8Array> {
  return body.encoded?.() ?? [Buffer.from(JSON.stringify(body.value()))];
}

/** One slice is written at once with its length; more are written as they are made. */
async function writeSlices(
  slices: Iterable<Uint8Array>,
  request: IncomingMessage,
  response: ServerResponse,
  clock: Clock,
): Promise<void> {
  const iterator = slices[Symbol.iterator]();
  const one = iterator.next();
  if (one.done) {
    response.end();
    return;
  }
  const second = iterator.next();
  const small = second.done && one.value.length < limits.gzipFromBytes;
  const packed = !small && /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
  if (second.done && !packed) {
    response.setHeader("content-length", one.value.length);
    response.end(one.value);
    return;
  }
  const begin = second.done ? [one.value] : [one.value, second.value];
  if (!packed) return writeReused(begin, iterator, response, clock);
  const all = (function* () {
    yield* begin;
    yield* { [Symbol.iterator]: () => iterator };
  })();
  response.setHeader("content-encoding", "gzip");
  response.setHeader("vary", "Accept-Encoding");
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  const writing = writeStream(gzip, response);
  for await (const slice of paced(all, clock)) {
    if (response.destroyed) break;
    if (!gzip.write(slice)) await first(gzip, "drain", "close");
  }
  gzip.end();
  return writing;
}

/**
 * Hands each slice back once it is written, so that a list of any length takes the memory of a few slices:
 * memory outside the heap makes the collector look through all of it.
 */
async function writeReused(
  begin: readonly Uint8Array[],
  rest: Iterator<Uint8Array, unknown, boolean | undefined>,
  response: ServerResponse,
  clock: Clock,
): Promise<void> {
  let since = clock.monotonic();
  for (const slice of begin) await written(response, slice);
  for (let next = rest.next(); !next.done && !response.destroyed; next = rest.next(true)) {
    await written(response, next.value);
    if (clock.monotonic() - since < limits.turnMs) continue;
    await clock.sleep(0);
    since = clock.monotonic();
  }
  response.end();
}

/** Resolves when the kernel has the bytes, or the client is gone. */
function written(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("close", done);
      resolve();
    };
    response.on("close", done);
    response.write(bytes, done);
  });
}

/** Lets others run when making slices has taken a while. */
async function* paced(slices: Iterable<Uint8Array>, clock: Clock): AsyncIterable<Uint8Array> {
  let since = clock.monotonic();
  for (const slice of slices) {
    yield slice;
    if (clock.monotonic() - since < limits.turnMs) continue;
    await clock.sleep(0);
    since = clock.monotonic();
  }
}

/**
 * What is chunked already goes past the response, which would put its marks around it by three more writes; the
 * response has its socket when its turn has come.
 */
async function writeWatch(
  { batches, sent }: ResponseBody & { readonly kind: "watch" },
  response: ServerResponse,
  { clock, lines }: WritingTools,
): Promise<void> {
  for await (const batch of batches) {
    let bytes = 0;
    for (const { chunk, plain } of lines(batch)) {
      bytes += plain.length;
      const socket = response.chunkedEncoding ? response.socket : null;
      const target = socket ?? response;
      // asked before a write and not after it: mostly it has drained by then
      if (target.writableNeedDrain) await drained(target, response, clock);
      if (response.destroyed) return;
      if (socket) socket.write(chunk);
      else response.write(plain);
    }
    sent?.(batch.length, bytes);
  }
  response.end();
}

/** A reader that takes nothing for too long is gone: what it is owed is not kept for it. */
async function drained(target: EventEmitter, response: ServerResponse, clock: Clock): Promise<void> {
  const stall = clock.after(limits.watchStallMs, () => response.destroy(), { background: true });
  await first(target, "drain", "close");
  stall.cancel();
}

/** The first of two events. */
function first(emitter: EventEmitter, one: string, other: string): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      emitter.off(one, done);
      emitter.off(other, done);
      resolve();
    };
    emitter.on(one, done);
    emitter.on(other, done);
  });
}

async function writeStream(chunks: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<void> {
  for await (const chunk of chunks) {
    if (response.destroyed) return;
    if (response.write(chunk)) continue;
    await first(response, "drain", "close");
  }
  response.end();
}
