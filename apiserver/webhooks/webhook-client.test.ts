/** The client of webhooks against a real https server: kept connections, time, size, trust. */
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startWebhookServer, type WebhookServer } from "../../e2e/harness/webhook-server.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { WebhookCall, WebhookClient } from "./contract.ts";
import { createWebhookClient } from "./webhook-client.ts";

let server: WebhookServer;
let client: WebhookClient;
beforeEach(async () => {
  server = await startWebhookServer();
  const resolve = async () => ({ host: "127.0.0.1", port: server.port });
  client = createWebhookClient({ clock: systemClock, resolve });
});
afterEach(() => {
  client.close();
  server.close();
});

const body = JSON.stringify({ apiVersion: "v1", kind: "Review", request: { uid: "u" } });
const post = (more: Partial<WebhookCall> = {}) =>
  client.post({ config: { url: server.url("/x"), caBundle: server.caBundle }, body, timeoutMs: 2_000, ...more });
const service = (name: string) => ({ service: { namespace: "default", name }, caBundle: server.caBundle });

describe("a call", () => {
  test("gives the answer, on one connection after the other", async () => {
    for (let count = 0; count < 3; count++)
      expect(await post()).toMatchObject({ kind: "Review", response: { uid: "u", allowed: true } });
    expect(await server.connections()).toBe(1);
  });

  test("is made anew where the kept connection was closed meanwhile", async () => {
    await post();
    server.drop();
    expect(await post()).toMatchObject({ kind: "Review" });
  });

  test("of a Service is made under the Service's name", async () => {
    expect(await post({ config: service("hook") })).toMatchObject({ kind: "Review" });
    await expect(post({ config: service("other") })).rejects.toThrow(
      /^Post "https:\/\/other.default.svc:443\/\?timeout=2s": tls: failed to verify certificate: x509: certificate is valid for hook.default.svc, 127.0.0.1, not other.default.svc$/,
    );
  });

  test("goes the way that the place has, and is kept", async () => {
    let dials = 0;
    const dial = async () => {
      dials++;
      return connect(server.port, "127.0.0.1");
    };
    const there = createWebhookClient({
      clock: systemClock,
      resolve: async () => ({ host: "192.0.2.7", port: 443, dial }),
    });
    const call = { body, timeoutMs: 2_000 };
    for (let count = 0; count < 2; count++)
      expect(await there.post({ ...call, config: service("hook") })).toMatchObject({ kind: "Review" });
    expect(dials).toBe(1);
    await expect(there.post({ ...call, config: service("other") })).rejects.toThrow(/not other.default.svc$/);
    there.close();
  });

  test.each<[string, () => Partial<WebhookCall>, RegExp]>([
    ["late", () => ({ timeoutMs: 40 }), /\/x\?timeout=1s": context deadline exceeded$/],
    ["not wanted any more", () => ({ signal: AbortSignal.abort() }), /: context canceled$/],
    ["untrusted", () => ({ config: { url: server.url() } }), /x509: certificate signed by unknown authority$/],
    ["nowhere", () => ({ config: { url: "https://no.invalid/" } }), /: dial tcp: lookup no.invalid: /],
    ["not https", () => ({ config: {} }), /^webhook configuration must have either service or URL$/],
  ])("that is %s", async (_name, more, message) => {
    server.respond(() => undefined);
    await expect(post(more())).rejects.toThrow(message);
  });

  test("whose answer is too large", async () => {
    server.respond(() => ({ code: 200, text: "x".repeat(limits.webhookAnswerBytes + 1) }));
    await expect(post()).rejects.toThrow(/: the answer is too large$/);
  });

  test("whose answer breaks off", async () => {
    server.respond(() => {
      server.drop();
      return undefined;
    });
    await expect(post()).rejects.toThrow(/: EOF$/);
  });
});
