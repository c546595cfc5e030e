/** Bootstrap tokens: who may use them, what they sign, and when they go. */
import { createHmac } from "node:crypto";
import { afterEach, expect, it, test } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import { groupsOf } from "../machinery/objects/bootstrap-token.ts";
import type { Secret } from "../machinery/objects/kinds.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";

let cluster: Controlled;
afterEach(() => cluster?.close());

const ID = "abcdef";
const SECRET = "0123456789abcdef";
const encoded = (data: Record<string, string>) =>
  Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")]));
const token = (more: Record<string, string> = {}, id = ID) => ({
  metadata: { namespace: "kube-system", name: `bootstrap-token-${id}` },
  type: "bootstrap.kubernetes.io/token",
  data: encoded({
    "token-id": id,
    "token-secret": SECRET,
    "usage-bootstrap-authentication": "true",
    "usage-bootstrap-signing": "true",
    ...more,
  }),
});
const anonymous = { kind: "anonymous" } as const;
const whoAmI = async (bearer: string) => {
  const { status, value } = await cluster.pipeline.send({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    body: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview", metadata: {} },
    headers: { authorization: `Bearer ${bearer}` },
    peer: anonymous,
  });
  return status === 201 ? value.status.userInfo : status;
};

it("lets in who brings a token, as a user of its own in the groups that it names", async () => {
  cluster = await startControlled();
  await cluster.create("secrets", token({ "auth-extra-groups": "system:bootstrappers:workers" }));
  expect(await whoAmI(`${ID}.${SECRET}`)).toEqual({
    username: `system:bootstrap:${ID}`,
    groups: ["system:bootstrappers", "system:bootstrappers:workers", "system:authenticated"],
  });
  expect(await whoAmI(`${ID}.0123456789abcdee`)).toBe(401);
  expect(await whoAmI(`aaaaaa.${SECRET}`)).toBe(401);

  const review = await cluster.pipeline.send({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/tokenreviews",
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token: `${ID}.${SECRET}` } },
  });
  expect(review.value.status).toMatchObject({ authenticated: true, user: { username: `system:bootstrap:${ID}` } });
});

it.each([
  ["for something else", { "usage-bootstrap-authentication": "false" }],
  ["with another id", { "token-id": "ghijkl" }],
  ["for a group that nobody may give", { "auth-extra-groups": "system:masters" }],
  ["with an end that nobody can read", { expiration: "tomorrow" }],
])("lets nobody in by a token %s", async (_why, more) => {
  cluster = await startControlled({ stopped: true });
  await cluster.create("secrets", token(more));
  expect(await whoAmI(`${ID}.${SECRET}`)).toBe(401);
});

it("refuses an expired token at once, and removes it", async () => {
  const clock = fakeClock();
  cluster = await startControlled({ clock });
  const end = new Date(clock.now() + 60_000).toISOString();
  await cluster.create("secrets", token({ expiration: end }));
  await cluster.create("secrets", token({}, "stays0"));
  await cluster.settled();
  expect(await whoAmI(`${ID}.${SECRET}`)).toMatchObject({ username: `system:bootstrap:${ID}` });
  await clock.advance(61_000);
  expect(await whoAmI(`${ID}.${SECRET}`)).toBe(401);
  await cluster.settled();
  expect((await cluster.list("secrets", "kube-system")).map(({ metadata }) => metadata.name)).toEqual([
    "bootstrap-token-stays0",
  ]);
});

it("signs cluster-info by each token, and takes signatures back with their tokens", async () => {
  cluster = await startControlled();
  const kubeconfig = "apiVersion: v1\nkind: Config\n";
  const ref = { namespace: "kube-public", name: "cluster-info" };
  await cluster.create("configmaps", {
    metadata: ref,
    data: { kubeconfig, "jws-kubeconfig-gone00": "x..y", more: "z" },
  });
  await cluster.create("secrets", token());
  await cluster.create("secrets", token({ "usage-bootstrap-signing": "false" }, "silent"));
  const data = async () => (await cluster.client.get("configmaps", ref)).data ?? {};
  await expect
    .poll(async () => Object.keys(await data()).sort())
    .toEqual([`jws-kubeconfig-${ID}`, "kubeconfig", "more"]);

  const [head = "", content, proof] = (await data())[`jws-kubeconfig-${ID}`]?.split(".") ?? [];
  expect(content).toBe("");
  expect(JSON.parse(Buffer.from(head, "base64url").toString())).toEqual({ alg: "HS256", kid: ID });
  const text = `${head}.${Buffer.from(kubeconfig).toString("base64url")}`;
  expect(proof).toBe(createHmac("sha256", SECRET).update(text).digest("base64url"));

  await cluster.client.delete("secrets", { namespace: "kube-system", name: `bootstrap-token-${ID}` });
  await expect.poll(async () => Object.keys(await data()).sort()).toEqual(["kubeconfig", "more"]);
});

test("groups come once each, with the one that all have", () => {
  const groups = (text: string) => groupsOf(token({ "auth-extra-groups": text }) as unknown as Secret);
  expect(groups("system:bootstrappers:b, system:bootstrappers:a,system:bootstrappers:b")).toEqual([
    "system:bootstrappers",
    "system:bootstrappers:a",
    "system:bootstrappers:b",
  ]);
  expect(groups("system:bootstrappers:a,")).toBeUndefined();
});
