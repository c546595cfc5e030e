/**
 * Cases that every transport passes, against one small handler.
 *
 * The handler answers fixed paths; how its answers travel is the transport's concern.
 */
import { describe, expect, it } from "vitest";
import { ApiError, notFound } from "../../objects/status.ts";
import type { StoredObject } from "../../objects/wire.ts";
import type { Handler, RequestRecord, ResponseBody, ResponseRecord, Transport, WatchItem } from "./contract.ts";

export interface TransportFixture {
  readonly transport: Transport;
  /** Requests as the handler saw them. */
  readonly seen: RequestRecord[];
  close(): Promise<void>;
}

const JSON_HEADERS = { "content-type": "application/json" };

export const thing = (name: string, revision: number): StoredObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, uid: name, resourceVersion: String(revision), creationTimestamp: "2026-01-01T00:00:00Z" },
});

/** A handler with an answer for each case. */
export function caseHandler(seen: RequestRecord[]): Handler {
  const answers: Record<string, (request: RequestRecord) => ResponseBody> = {
    "/thing": () => ({ kind: "object", value: () => Object.freeze(thing("a", 1)) }),
    "/echo": ({ body }) => ({ kind: "object", value: () => ({ received: contentOf(body) }) }),
    "/big": () => ({ kind: "object", value: () => ({ text: "x".repeat(300_000) }) }),
    "/text": () => ({ kind: "bytes", bytes: Buffer.from("ok") }),
    "/log": () => ({ kind: "stream", chunks: chunks(["one\n", "two\n"]) }),
    "/empty": () => ({ kind: "none" }),
    "/watch": () => ({ kind: "watch", batches: events(3) }),
    "/endless": ({ signal }) => ({ kind: "watch", batches: events(1, signal) }),
  };
  return async (request) => {
    seen.push(request);
    if (request.path === "/missing") return failure(notFound("things", "x"));
    if (request.path === "/never") return new Promise<ResponseRecord>(() => {});
    const body = answers[request.path]?.(request);
    if (!body)
      return {
        status: 404,
        headers: { "content-type": "text/plain" },
        body: { kind: "bytes", bytes: Buffer.from("404 page not found") },
      };
    return { status: 200, headers: body.kind === "bytes" ? { "content-type": "text/plain" } : JSON_HEADERS, body };
  };
}

export function describeTransport(name: string, start: () => Promise<TransportFixture>): void {
  const withFixture = (test: (fixture: TransportFixture) => Promise<void>) => async () => {
    const fixture = await start();
    try {
      await test(fixture);
    } finally {
      await fixture.transport.close();
      await fixture.close();
    }
  };

  describe(`${name} transport`, () => {
    it(
      "answers with the decoded object",
      withFixture(async ({ transport }) => {
        expect(await transport.request({ method: "GET", path: "/thing" })).toEqual(thing("a", 1));
      }),
    );
    it(
      "carries method, query, headers and body",
      withFixture(async ({ transport, seen }) => {
        const body = { a: 1, text: "ü" };
        const request = {
          method: "POST",
          path: "/echo",
          query: { "a b": "c&d" },
          headers: { "X-One": "1" },
          body,
        } as const;
        expect(await transport.request(request)).toEqual({ received: body });
        expect(seen[0]?.method).toBe("POST");
        expect(seen[0]?.query.get("a b")).toBe("c&d");
        expect(seen[0]?.headers["x-one"]).toBe("1");
      }),
    );
    it(
      "brings large, text and empty answers",
      withFixture(async ({ transport }) => {
        expect(await transport.request({ method: "GET", path: "/big" })).toEqual({ text: "x".repeat(300_000) });
        expect(await transport.request({ method: "GET", path: "/text" })).toBe("ok");
        expect(await transport.request({ method: "GET", path: "/empty" })).toBeUndefined();
      }),
    );
    it(
      "throws the server's own Status",
      withFixture(async ({ transport }) => {
        const error = await transport.request({ method: "GET", path: "/missing" }).catch((e: unknown) => e);
        expect(error).toBeInstanceOf(ApiError);
        expect(error).toMatchObject({
          reason: "NotFound",
          code: 404,
          message: 'things "x" not found',
          details: { name: "x" },
        });
      }),
    );
    it(
      "throws an ApiError for a failure that is no Status",
      withFixture(async ({ transport }) => {
        const error = await transport.request({ method: "GET", path: "/nowhere" }).catch((e: unknown) => e);
        expect(error).toMatchObject({ name: "ApiError", code: 404, message: "404 page not found" });
      }),
    );
    it(
      "brings all events of a watch in order and ends with it",
      withFixture(async ({ transport }) => {
        const names: string[] = [];
        for await (const batch of transport.watch({ method: "GET", path: "/watch" }))
          for (const { type, object } of batch) names.push(`${type} ${object.metadata.name}`);
        expect(names).toEqual(["ADDED e0", "ADDED e1", "ADDED e2"]);
      }),
    );
    it(
      "throws the server's Status when a watch is refused",
      withFixture(async ({ transport }) => {
        const watch = transport.watch({ method: "GET", path: "/missing" })[Symbol.asyncIterator]();
        await expect(watch.next()).rejects.toMatchObject({ reason: "NotFound" });
      }),
    );
    it(
      "stops a watch with the reason of the caller's signal",
      withFixture(async ({ transport, seen }) => {
        const stop = new AbortController();
        const watch = transport.watch({ method: "GET", path: "/endless", signal: stop.signal })[Symbol.asyncIterator]();
        expect((await watch.next()).value).toHaveLength(1);
        const next = watch.next();
        stop.abort(new Error("enough"));
        await expect(next).rejects.toThrow("enough");
        await expect.poll(() => seen[0]?.signal.aborted).toBe(true);
      }),
    );
    it(
      "rejects a request that waits when its signal aborts",
      withFixture(async ({ transport }) => {
        const stop = new AbortController();
        const request = transport.request({ method: "GET", path: "/never", signal: stop.signal });
        stop.abort(new Error("enough"));
        await expect(request).rejects.toThrow("enough");
      }),
    );
    it(
      "streams bytes",
      withFixture(async ({ transport }) => {
        let text = "";
        for await (const chunk of transport.stream({ method: "GET", path: "/log" }))
          text += Buffer.from(chunk).toString();
        expect(text).toBe("one\ntwo\n");
      }),
    );
    it(
      "refuses requests after it was closed",
      withFixture(async ({ transport }) => {
        await transport.close();
        await expect(transport.request({ method: "GET", path: "/thing" })).rejects.toMatchObject({
          reason: "ServiceUnavailable",
        });
      }),
    );
  });
}

function contentOf(body: RequestRecord["body"]): unknown {
  if (body.kind === "object") return body.value;
  return body.kind === "bytes" ? JSON.parse(Buffer.from(body.bytes).toString()) : undefined;
}

function failure(error: ApiError): ResponseRecord {
  return { status: error.code, headers: JSON_HEADERS, body: { kind: "object", value: () => error.toStatus() } };
}

async function* chunks(texts: readonly string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function* events(count: number, until?: AbortSignal): AsyncIterable<readonly WatchItem[]> {
  for (let i = 0; i < count; i++) {
    const event = { type: "ADDED", object: Object.freeze(thing(`e${i}`, i + 1)) } as const;
    yield [{ event: () => event, encoded: () => Buffer.from(`${JSON.stringify(event)}\n`) }];
  }
  if (until && !until.aborted) await new Promise((resolve) => until.addEventListener("abort", resolve, { once: true }));
}
