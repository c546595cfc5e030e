/**
 * Several versions of a custom kind: stored as one, shown as each; converted by name alone or by a webhook.
 */
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CustomServer, startCustomServer } from "../../e2e/harness/custom-server.ts";
import { createAuthority, issue } from "../../machinery/pki/certificates.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { versionOf, withSpec } from "./fixture.ts";

let server: CustomServer;
beforeAll(async () => {
  server = await startCustomServer();
});
afterAll(() => server.pipeline.close());

type Json = Record<string, unknown>;
const at = (version: string, plural: string, name = "") =>
  `/apis/example.com/${version}/namespaces/default/${plural}${name && `/${name}`}`;

/** Reads events of a watch until there are so many. */
async function events(
  path: string,
  most: number,
): Promise<{ type: string; object: { apiVersion: string; spec: Json } }[]> {
  const { body } = await server.send("GET", path);
  if (body.kind !== "watch") throw new Error("no watch");
  const found: { type: string; object: { apiVersion: string; spec: Json } }[] = [];
  for await (const batch of body.batches) {
    for (const item of batch) found.push(JSON.parse(Buffer.from(item.encoded()).toString()));
    if (found.length >= most) return found;
  }
  return found;
}

describe("converted by name alone", () => {
  const old = withSpec({ a: { type: "string", default: "old" }, gone: { type: "string" } });
  const next = withSpec({ a: { type: "string" }, b: { type: "string", default: "new" } });
  const versions = (stored: string) => [
    versionOf("v1", old, { storage: stored === "v1", deprecated: true }),
    versionOf("v2", next, { storage: stored === "v2" }),
    versionOf("v3", next, { served: false }),
  ];

  test("an object is shown in every served version, with the fields of that version", async () => {
    await server.define({ kind: "Plain", versions: versions("v1") });
    const made = await server.create(at("v1", "plains"), {
      apiVersion: "example.com/v1",
      kind: "Plain",
      metadata: { name: "x" },
      spec: { gone: "g" },
    });
    expect(made.value.spec).toEqual({ a: "old", gone: "g" });
    expect(made.headers["warning"]).toEqual(['299 - "example.com/v1 Plain is deprecated; use example.com/v2 Plain"']);
    const shown = await server.send("GET", at("v2", "plains", "x"));
    expect([shown.value.apiVersion, shown.value.spec]).toEqual(["example.com/v2", { a: "old" }]);
    expect(shown.headers["warning"]).toBeUndefined();
    expect((await server.send("GET", at("v3", "plains", "x"))).status).toBe(404);
    const list = await server.send("GET", at("v2", "plains"));
    expect([list.value.apiVersion, list.value.items[0].apiVersion]).toEqual(["example.com/v2", "example.com/v2"]);
  });

  test("what was stored in an older version stays readable when the storage version changes", async () => {
    await server.redefine("plains.example.com", { spec: { versions: versions("v2") } });
    const definition = await server.send(
      "GET",
      "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/plains.example.com",
    );
    expect(definition.value.status.storedVersions).toEqual(["v1", "v2"]);
    expect((await server.send("GET", at("v1", "plains", "x"))).value.spec).toEqual({ a: "old", gone: "g" });
    const headers = { "content-type": "application/merge-patch+json" };
    const changed = await server.send(
      "PATCH",
      at("v2", "plains", "x"),
      { metadata: { labels: { moved: "yes" } } },
      headers,
    );
    expect([changed.status, changed.value.spec]).toEqual([200, { a: "old", b: "new" }]);
    expect((await server.send("GET", at("v1", "plains", "x"))).value.spec).toEqual({ a: "old" });
    const history = await server.send("GET", `/k8ts/v1/history${at("v2", "plains", "x")}`);
    expect(history.value.versions?.length ?? history.value.items?.length).toBe(2);
  });

  test("a watch shows its own version and ends when the definition changes", async () => {
    const started = events(`${at("v1", "plains")}?watch=true`, 99);
    await server.pipeline.clock.sleep(20);
    await server.redefine("plains.example.com", { spec: { versions: versions("v1") } });
    const [first] = await started;
    expect([first?.type, first?.object.apiVersion]).toEqual(["ADDED", "example.com/v1"]);
  });
});

describe("converted by a webhook", () => {
  let hook: Server;
  let asked: { request: { uid: string; desiredAPIVersion: string; objects: Json[] } }[] = [];
  /** Undefined: converts as it should. */
  let answer: ((review: (typeof asked)[number]) => unknown) | undefined;

  const single = withSpec({ hostPort: { type: "string" } });
  const split = withSpec({ host: { type: "string" }, port: { type: "string" } });

  /** v1: hostPort; v2: host and port. */
  const convert = (object: Json, apiVersion: string): Json => {
    const spec = object["spec"] as Record<string, string>;
    if (object["apiVersion"] === apiVersion) return object;
    if (!apiVersion.endsWith("v2"))
      return { ...object, apiVersion, spec: { hostPort: `${spec["host"]}:${spec["port"]}` } };
    const [host, port] = (spec["hostPort"] ?? ":").split(":");
    return { ...object, apiVersion, spec: { host, port } };
  };

  beforeAll(async () => {
    const authority = await createAuthority(systemClock, "hooks");
    const { certificate, key } = await issue(systemClock, authority, {
      commonName: "hook",
      use: "server",
      addresses: ["127.0.0.1"],
      dnsNames: ["converter.default.svc"],
    });
    hook = createServer({ cert: certificate, key }, (request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const review = JSON.parse(Buffer.concat(parts).toString());
        asked.push(review);
        const { uid, desiredAPIVersion, objects } = review.request;
        const convertedObjects = objects.map((one: Json) => convert(one, desiredAPIVersion));
        const usual = { uid, result: { status: "Success" }, convertedObjects };
        const body = { apiVersion: review.apiVersion, kind: review.kind, response: answer ? answer(review) : usual };
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => hook.listen(0, resolve));
    const url = `https://127.0.0.1:${(hook.address() as AddressInfo).port}/convert`;
    const caBundle = Buffer.from(authority.certificate).toString("base64");
    await server.define({
      kind: "Host",
      versions: [
        versionOf("v1", single, { storage: true }),
        versionOf("v2", split, { selectableFields: [{ jsonPath: ".spec.host" }] }),
      ],
      spec: {
        conversion: {
          strategy: "Webhook",
          webhook: { clientConfig: { url, caBundle }, conversionReviewVersions: ["v1"] },
        },
      },
    });
  });
  afterAll(() => {
    hook.closeAllConnections();
    hook.close();
  });

  const host = (version: string, name: string, spec: Json): Json => ({
    apiVersion: `example.com/${version}`,
    kind: "Host",
    metadata: { name },
    spec,
  });

  test("objects are written and read in every version", async () => {
    const made = await server.create(at("v2", "hosts"), host("v2", "a", { host: "example.com", port: "80" }));
    expect([made.status, made.value.message, made.value.spec]).toEqual([
      201,
      undefined,
      { host: "example.com", port: "80" },
    ]);
    expect((await server.send("GET", at("v1", "hosts", "a"))).value.spec).toEqual({ hostPort: "example.com:80" });
    expect((await server.send("GET", at("v2", "hosts", "a"))).value.spec).toEqual({ host: "example.com", port: "80" });
    const headers = { "content-type": "application/merge-patch+json" };
    await server.send("PATCH", at("v2", "hosts", "a"), { spec: { port: "81" } }, headers);
    expect((await server.send("GET", at("v1", "hosts", "a"))).value.spec).toEqual({ hostPort: "example.com:81" });
  });

  test("a list converts what is not converted yet in one question, and selects by the fields of its version", async () => {
    for (const name of ["b", "c"]) await server.create(at("v1", "hosts"), host("v1", name, { hostPort: `${name}:1` }));
    asked = [];
    const list = await server.send("GET", `${at("v2", "hosts")}?fieldSelector=spec.host%3Dc`);
    expect(list.value.items.map((one: { spec: Json }) => one.spec)).toEqual([{ host: "c", port: "1" }]);
    expect(asked.length).toBe(1);
    await server.send("GET", at("v2", "hosts"));
    expect(asked.length).toBe(1);
  });

  test("a watch with a selector says ADDED and DELETED by what the converted objects are", async () => {
    const { value } = await server.send("GET", at("v2", "hosts"));
    const from = value.metadata.resourceVersion;
    const watched = events(`${at("v2", "hosts")}?watch=true&fieldSelector=spec.host%3Dc&resourceVersion=${from}`, 3);
    await server.pipeline.clock.sleep(20);
    const headers = { "content-type": "application/merge-patch+json" };
    const move = (name: string, hostPort: string) =>
      server.send("PATCH", at("v1", "hosts", name), { spec: { hostPort } }, headers);
    await move("b", "c:9");
    await move("c", "elsewhere:1");
    await move("b", "c:10");
    const seen = await watched;
    expect(seen.map(({ type, object }) => [type, object.apiVersion, object.spec])).toEqual([
      ["ADDED", "example.com/v2", { host: "c", port: "9" }],
      ["DELETED", "example.com/v2", { host: "elsewhere", port: "1" }],
      ["MODIFIED", "example.com/v2", { host: "c", port: "10" }],
    ]);
  });

  test.each<[string, (review: (typeof asked)[number]) => unknown, RegExp]>([
    [
      "says no",
      ({ request }) => ({ uid: request.uid, result: { status: "Failure", message: "I cannot" } }),
      /^conversion webhook for example.com\/v2, Kind=Host failed: I cannot$/,
    ],
    [
      "has nothing",
      ({ request }) => ({ uid: request.uid, result: { status: "Success" }, convertedObjects: [] }),
      /returned 0 objects, expected 1$/,
    ],
    [
      "answers another",
      ({ request }) => ({ ...request, uid: "x", result: { status: "Success" } }),
      /expected response.uid=".*", got "x"$/,
    ],
    [
      "renames",
      ({ request }) => ({
        uid: request.uid,
        result: { status: "Success" },
        convertedObjects: request.objects.map((one) => ({
          ...one,
          apiVersion: request.desiredAPIVersion,
          metadata: { ...(one["metadata"] as Json), name: "other" },
        })),
      }),
      /returned invalid converted object at index 0: must have the same name: other != z$/,
    ],
  ])("a webhook that %s", async (_name, wrong, message) => {
    answer = wrong;
    const { status, value } = await server.create(at("v2", "hosts"), host("v2", "z", { host: "h", port: "1" }));
    answer = undefined;
    expect([status, value.message]).toEqual([500, expect.stringMatching(message)]);
  });

  // endpoints of a Service may not be loopback addresses
  const own = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  const address = own.find(({ internal, family }) => !internal && family === "IPv4")?.address;

  test.skipIf(!address)(
    "a webhook behind a Service is asked at a ready endpoint of it, under the Service's name",
    async () => {
      const { port } = hook.address() as AddressInfo;
      const metadata = { name: "converter", namespace: "default" };
      const client = server.pipeline.client();
      const service = { namespace: "default", name: "converter", path: "/convert", port: 8443 };
      await server.redefine("hosts.example.com", {
        spec: { conversion: { webhook: { clientConfig: { url: null, service } } } },
      });
      const read = () => server.send("GET", at("v2", "hosts", "b"));
      expect((await read()).value.message).toMatch(
        /^conversion webhook for example.com\/v1, Kind=Host failed: .*service "converter" not found$/,
      );
      await client.create("services", { metadata, spec: { clusterIP: "None", ports: [{ name: "hook", port: 8443 }] } });
      expect((await read()).value.message).toMatch(/no endpoints available for service "converter"$/);
      await client.create("endpointslices", {
        metadata: { ...metadata, name: "converter-1", labels: { "kubernetes.io/service-name": "converter" } },
        addressType: "IPv4",
        ports: [{ name: "hook", port }],
        endpoints: [
          { addresses: ["192.0.2.9"], conditions: { ready: false } },
          { addresses: [address ?? ""], conditions: { ready: true } },
        ],
      });
      expect((await read()).value.spec).toEqual({ host: "c", port: "10" });
    },
  );

  test("a webhook that nobody answers for", async () => {
    await server.redefine("hosts.example.com", {
      spec: { conversion: { webhook: { clientConfig: { service: null, url: "https://127.0.0.1:1/convert" } } } },
    });
    const { status, value } = await server.send("GET", at("v2", "hosts", "b"));
    expect(status).toBe(500);
    expect(value.message).toMatch(
      /^conversion webhook for example.com\/v1, Kind=Host failed: Post "https:\/\/127.0.0.1:1\/convert\?timeout=30s": /,
    );
  });
});
