/** Tokens: good while what they are bound to exists, for whom they were made, and no longer than they say. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import type { RequestRecord } from "../../machinery/client/transport/contract.ts";
import { systemClock } from "../../machinery/process/clock.ts";

let pipeline: Pipeline;
/** How far the server's clock is ahead, in seconds. */
let ahead = 0;
beforeAll(async () => {
  pipeline = await startPipeline({ clock: { ...systemClock, now: () => systemClock.now() + ahead * 1000 } });
});
afterAll(() => pipeline.close());

const CORE = "/api/v1/namespaces/default";
const admin = (method: string, path: string, body?: unknown) =>
  pipeline.send({ method, path, ...(body === undefined ? {} : { body }) });

async function tokenOf(account: string, spec: object = {}): Promise<string> {
  const { value, status } = await admin("POST", `${CORE}/serviceaccounts/${account}/token`, { spec });
  expect(status).toBe(201);
  return value.status.token;
}

const REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const use = (authorization: string) =>
  pipeline.send({
    method: "POST",
    path: REVIEW,
    body: {},
    peer: { kind: "anonymous" },
    headers: { authorization, "content-type": "application/json" },
  });
const works = async (token: string) => (await use(`Bearer ${token}`)).status;

/** Removed at once, whatever its grace period. */
const remove = (path: string) => admin("DELETE", `${path}?gracePeriodSeconds=0`);

describe("a token", () => {
  test("is its account, wherever it came from", async () => {
    const { value } = await use(`bearer   ${await tokenOf("default")}`);
    expect(value.status.userInfo).toMatchObject({
      username: "system:serviceaccount:default:default",
      groups: ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
    });
  });

  test("ends with its account, also when there is another one of that name", async () => {
    await admin("POST", `${CORE}/serviceaccounts`, { metadata: { name: "robot" } });
    const token = await tokenOf("robot");
    expect(await works(token)).toBe(201);
    await remove(`${CORE}/serviceaccounts/robot`);
    expect(await works(token)).toBe(401);
    await admin("POST", `${CORE}/serviceaccounts`, { metadata: { name: "robot" } });
    expect(await works(token)).toBe(401);
  });

  test.each([
    ["pods", "Pod", { spec: { containers: [{ name: "c", image: "i:1" }] } }],
    ["secrets", "Secret", {}],
  ])("ends with the one of %s that it is bound to", async (plural, kind, body) => {
    const { value } = await admin("POST", `${CORE}/${plural}`, { metadata: { name: "bound" }, ...body });
    const boundObjectRef = { apiVersion: "v1", kind, name: "bound", uid: value.metadata.uid };
    const token = await tokenOf("default", { boundObjectRef });
    expect(await works(token)).toBe(201);
    await remove(`${CORE}/${plural}/bound`);
    expect(await works(token)).toBe(401);
  });

  test("of a Pod that never ends terminating is good for a minute more", async () => {
    const finalizers = ["example.org/kept"];
    const { value } = await admin("POST", `${CORE}/pods`, {
      metadata: { name: "stuck", finalizers },
      spec: { containers: [{ name: "c", image: "i:1" }] },
    });
    const token = await tokenOf("default", {
      boundObjectRef: { apiVersion: "v1", kind: "Pod", name: "stuck", uid: value.metadata.uid },
    });
    await remove(`${CORE}/pods/stuck`);
    expect(await works(token)).toBe(201);
    ahead = 62;
    expect(await works(token)).toBe(401);
    ahead = 0;
  });

  test("ends with its time", async () => {
    const token = await tokenOf("default", { expirationSeconds: 600 });
    ahead = 599;
    expect(await works(token)).toBe(201);
    ahead = 601;
    expect(await works(token)).toBe(401);
    ahead = 0;
  });

  test("for others is none here, and a review says for whom it is", async () => {
    const token = await tokenOf("default", { audiences: ["vault", "store"] });
    expect(await works(token)).toBe(401);
    const review = async (audiences: string[]) => {
      const path = "/apis/authentication.k8s.io/v1/tokenreviews";
      return (await admin("POST", path, { spec: { token, audiences } })).value.status;
    };
    expect(await review(["vault", "x"])).toMatchObject({ authenticated: true, audiences: ["vault"] });
    expect(await review(["x"])).toMatchObject({ authenticated: false });
    expect(await review([])).toMatchObject({ authenticated: false });
  });

  test("that was changed, or signed by nobody, is refused and never anonymous", async () => {
    const token = await tokenOf("default");
    const [head = "", body = "", signature = ""] = token.split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    const forged = Buffer.from(JSON.stringify({ ...claims, sub: "system:serviceaccount:kube-system:x" }));
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    for (const bad of [
      `${head}.${forged.toString("base64url")}.${signature}`,
      `${none}.${body}.`,
      `${head}.${body}.`,
      "x",
      "a.b.c",
    ])
      expect(await works(bad)).toBe(401);
  });
});

describe("a token among a WebSocket's protocols", () => {
  const upgrade = async (...protocols: string[]) => {
    const record: RequestRecord = {
      method: "GET",
      path: `${CORE}/pods/x/exec`,
      query: new URLSearchParams(),
      headers: { "sec-websocket-protocol": protocols.join(", ") },
      body: { kind: "none" },
      peer: { kind: "anonymous" },
      upgrade: true,
      signal: new AbortController().signal,
    };
    const { body } = await pipeline.handler(record);
    return body.kind === "object" ? (body.value() as { message: string }).message : body.kind;
  };
  const asProtocol = (token: string) =>
    `base64url.bearer.authorization.k8s.io.${Buffer.from(token).toString("base64url")}`;

  test("is as good as in a header", async () => {
    const token = asProtocol(await tokenOf("default"));
    expect(await upgrade(token, "v4.channel.k8s.io")).toContain('User "system:serviceaccount:default:default" cannot');
    expect(await upgrade("v4.channel.k8s.io")).toContain('User "system:anonymous" cannot');
    expect(await upgrade(asProtocol("wrong"), "v4.channel.k8s.io")).toBe("Unauthorized");
  });
  test("comes once, and with the protocol that is meant", async () => {
    const token = asProtocol(await tokenOf("default"));
    expect(await upgrade(token)).toBe("missing additional subprotocol");
    expect(await upgrade(token, token, "v4.channel.k8s.io")).toContain("multiple");
  });
});

describe("sessions", () => {
  const rules = (verbs: string[], resource: string) => [{ verbs, apiGroups: [""], resources: [resource] }];
  beforeAll(async () => {
    const RBAC = "/apis/rbac.authorization.k8s.io/v1";
    for (const [name, verbs, resource] of [
      ["reader", ["get"], "pods/exec"],
      ["runner", ["get", "create"], "pods/exec"],
      ["node-reader", ["get"], "nodes/proxy"],
    ] as const) {
      await admin("POST", `${RBAC}/clusterroles`, { metadata: { name }, rules: rules([...verbs], resource) });
      await admin("POST", `${RBAC}/clusterrolebindings`, {
        metadata: { name },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
        subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name }],
      });
    }
    await admin("POST", "/api/v1/nodes", { metadata: { name: "n" } });
  });
  const open = async (user: string, path: string) => {
    const response = await pipeline.handler({
      method: "GET",
      path,
      query: new URLSearchParams("command=id"),
      headers: { upgrade: "websocket" },
      body: { kind: "none" },
      peer: { kind: "certificate", user, groups: [] },
      upgrade: true,
      signal: new AbortController().signal,
    });
    return response.status;
  };
  test("need the right to create, though a WebSocket begins with a GET", async () => {
    expect(await open("reader", `${CORE}/pods/none/exec`)).toBe(403);
    expect(await open("runner", `${CORE}/pods/none/exec`)).toBe(404);
  });
  test("through a node's proxy do too", async () => {
    expect(await open("node-reader", "/api/v1/nodes/n/proxy/exec/default/p/c")).toBe(403);
  });
});
