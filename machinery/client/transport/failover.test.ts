/** Several API servers behind one transport: whoever answers is stayed with, whoever is silent is left. */
import { afterEach, expect, it } from "vitest";
import { ApiError } from "../../objects/status.ts";
import { fakeClock } from "../../process/fake-clock.ts";
import { silent } from "../../process/logging.ts";
import type { ClientRequest, Transport } from "./contract.ts";
import { NoAnswer } from "./exchange.ts";
import { failoverTransport } from "./failover.ts";

type Mood = "well" | "refuses" | "breaks" | "stops" | "hangs";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

function scene(...servers: string[]) {
  const clock = fakeClock();
  const moods = new Map<string, Mood>(servers.map((server) => [server, "well"]));
  const asked: string[] = [];
  /** A server as its client sees it. */
  const open = (server: string): Transport => {
    const cut = new AbortController();
    const answer = async (request: ClientRequest): Promise<string> => {
      asked.push(`${request.method} ${request.path} ${server}`);
      const mood = moods.get(server);
      if (mood === "refuses") throw new NoAnswer("ServiceUnavailable", "connection refused", true);
      if (mood === "breaks") throw new NoAnswer("ServiceUnavailable", "socket hang up");
      if (mood === "stops") throw new ApiError("ServiceUnavailable", "the server is shutting down");
      if (mood === "hangs")
        await new Promise((_, reject) => {
          const fail = () => reject(new NoAnswer("ServiceUnavailable", "closed"));
          cut.signal.addEventListener("abort", fail);
          request.signal?.addEventListener("abort", () => reject(request.signal?.reason));
        });
      return server;
    };
    return {
      shared: false,
      request: answer,
      async *watch(request) {
        yield [{ type: "ADDED", object: { metadata: { name: await answer(request) } } as never }];
        await new Promise((_, reject) =>
          cut.signal.addEventListener("abort", () => reject(new NoAnswer("ServiceUnavailable", "closed"))),
        );
      },
      async *stream(request) {
        yield Buffer.from(await answer(request));
      },
      close: async () => cut.abort(),
    };
  };
  const transport = failoverTransport({ servers, open, clock, log: silent });
  closing.push(() => void transport.close());
  return { clock, moods, asked, transport };
}

const get = (path = "/a") => ({ method: "GET", path }) as const;
const post = { method: "POST", path: "/a" } as const;

it("stays with one server while it answers, whatever its answer is", async () => {
  const { transport, asked } = scene("one", "two");
  for (let time = 0; time < 3; time++) expect(await transport.request(get())).toBe("one");
  expect(asked).toHaveLength(3);
});

it("asks the next one at once for what may be repeated, and stays there", async () => {
  const { transport, moods } = scene("one", "two", "three");
  moods.set("one", "breaks");
  moods.set("two", "stops");
  expect(await transport.request(get())).toBe("three");
  moods.set("one", "well");
  expect(await transport.request(get())).toBe("three");
});

it("sends a write again only where it was surely not received", async () => {
  const { transport, moods, asked } = scene("one", "two");
  moods.set("one", "refuses");
  expect(await transport.request(post)).toBe("two");
  moods.set("two", "breaks");
  moods.set("one", "well");
  await expect(transport.request(post)).rejects.toThrow("socket hang up");
  expect(asked.at(-1)).toBe("POST /a two");
  expect(await transport.request(post)).toBe("one");
});

it("says what the last one said when none answers", async () => {
  const { transport, moods, asked } = scene("one", "two");
  moods.set("one", "refuses").set("two", "breaks");
  await expect(transport.request(get())).rejects.toThrow("socket hang up");
  expect(asked).toEqual(["GET /a one", "GET /a two"]);
});

it("leaves a server that is silent, with everything that waits there", async () => {
  const { transport, moods, clock, asked } = scene("one", "two");
  moods.set("one", "hangs");
  const read = transport.request(get());
  const write = transport.request(post);
  write.catch(() => undefined);
  await clock.advance(9_000);
  expect(asked).toContain("GET /livez one");
  await clock.advance(2_000);
  expect(await read).toBe("two");
  await expect(write).rejects.toThrow("closed");
});

it("keeps to a server that is slow but lives", async () => {
  const { transport, moods, clock, asked } = scene("one", "two");
  moods.set("one", "hangs");
  const slow = transport.request(get("/slow"));
  slow.catch(() => undefined);
  moods.set("one", "well");
  await clock.advance(30_000);
  expect(asked).toContain("GET /livez one");
  expect(await transport.request(get())).toBe("one");
});

it("notices under a watch that brings nothing that its server is gone", async () => {
  const { transport, moods, clock } = scene("one", "two");
  const seen: unknown[] = [];
  const watch = (async () => {
    for await (const batch of transport.watch(get("/watch"))) seen.push(batch[0]?.object.metadata.name);
  })();
  watch.catch(() => undefined);
  await clock.advance(60_000); // quiet, and asked whether it lives
  expect(seen).toEqual(["one"]);
  moods.set("one", "hangs");
  await clock.advance(60_000);
  await expect(watch).rejects.toThrow("closed");
  expect(await transport.request(get())).toBe("two");
});
