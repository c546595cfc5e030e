/** Lasting tokens: made on request, good while their Secret and account are there, and gone with them. */
import { generateKeyPairSync } from "node:crypto";
import { afterEach, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import { startPipeline } from "../e2e/harness/pipeline.ts";

let cluster: Controlled;
afterEach(() => cluster?.close());

const namespace = "default";
const tokenKey = generateKeyPairSync("ec", { namedCurve: "P-256" })
  .privateKey.export({ type: "pkcs8", format: "pem" })
  .toString();
const start = async () => {
  cluster = await startControlled({ tokenKey, rootCa: "PEM" });
  await cluster.create("serviceaccounts", { metadata: { namespace, name: "robot" } });
};
const secret = (name: string, annotations: Record<string, string> = {}) =>
  cluster.create("secrets", {
    metadata: { namespace, name, annotations: { "kubernetes.io/service-account.name": "robot", ...annotations } },
    type: "kubernetes.io/service-account-token",
  });
const find = (name: string) => cluster.client.find("secrets", { namespace, name });
const dataOf = async (name: string) =>
  Object.fromEntries(
    Object.entries((await find(name))?.data ?? {}).map(([key, value]) => [
      key,
      Buffer.from(value, "base64").toString(),
    ]),
  );
const whoAmI = async (token: string) => {
  const { status, value } = await cluster.pipeline.send({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    body: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview", metadata: {} },
    headers: { authorization: `Bearer ${token}` },
    peer: { kind: "anonymous" },
  });
  return status === 201 ? value.status.userInfo : status;
};

it("fills a Secret that asks for a token, which then is its account's", async () => {
  await start();
  await secret("lasting");
  await expect.poll(async () => Object.keys(await dataOf("lasting")).sort()).toEqual(["ca.crt", "namespace", "token"]);
  const { token = "", ...rest } = await dataOf("lasting");
  expect(rest).toEqual({ "ca.crt": "PEM", namespace });
  const account = await cluster.client.get("serviceaccounts", { namespace, name: "robot" });
  expect((await find("lasting"))?.metadata.annotations).toMatchObject({
    "kubernetes.io/service-account.uid": account.metadata.uid,
  });
  expect(await whoAmI(token)).toEqual({
    username: "system:serviceaccount:default:robot",
    uid: account.metadata.uid,
    groups: ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
  });
  const before = (await find("lasting"))?.metadata.resourceVersion;
  await cluster.stop();
  await cluster.restart();
  await cluster.settled();
  expect((await find("lasting"))?.metadata.resourceVersion).toBe(before);

  await cluster.client.delete("secrets", { namespace, name: "lasting" });
  expect(await whoAmI(token)).toBe(401);
});

it("removes Secrets of an account that went, or that was another, and their tokens end", async () => {
  await start();
  await secret("lasting");
  await secret("wrong", { "kubernetes.io/service-account.uid": "somebody-else" });
  await secret("nobody", { "kubernetes.io/service-account.name": "missing" });
  await expect.poll(async () => (await dataOf("lasting"))["token"]).toBeTruthy();
  const { token = "" } = await dataOf("lasting");
  for (const name of ["wrong", "nobody"]) await expect.poll(() => find(name)).toBeUndefined();
  await cluster.client.delete("serviceaccounts", { namespace, name: "robot" });
  await expect.poll(() => find("lasting")).toBeUndefined();
  await cluster.create("serviceaccounts", { metadata: { namespace, name: "robot" } });
  expect(await whoAmI(token)).toBe(401);
});

it("is refused where somebody else's key signed it", async () => {
  await start();
  await secret("lasting");
  await expect.poll(async () => (await dataOf("lasting"))["token"]).toBeTruthy();
  const { token = "" } = await dataOf("lasting");
  const other = await startPipeline({ withoutDefaultAccount: true });
  const { status } = await other.send({
    path: "/api",
    headers: { authorization: `Bearer ${token}` },
    peer: { kind: "anonymous" },
  });
  expect(status).toBe(401);
  await other.close();
});
