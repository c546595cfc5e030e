/** Issuer discovery: a token of a service account, checked by someone who knows no more than the issuer's address. */
import { createPublicKey, generateKeyPairSync, type JsonWebKey, verify } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { bytesOf, type Pipeline, type PipelineOptions, startPipeline } from "../../e2e/harness/pipeline.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { createMemoryStore } from "../store/memory.ts";

const open: Pipeline[] = [];
afterAll(() => Promise.all(open.map((one) => one.close())));

async function start(options: PipelineOptions = {}): Promise<Pipeline> {
  const pipeline = await startPipeline(options);
  open.push(pipeline);
  return pipeline;
}

const ACCOUNT = {
  user: "system:serviceaccount:default:default",
  groups: ["system:serviceaccounts", "system:authenticated"],
};
const pem = () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
};

async function read(pipeline: Pipeline, path: string) {
  const { status, headers, body } = await pipeline.send({ path, ...ACCOUNT });
  expect(status).toBe(200);
  expect(headers["cache-control"]).toBe("public, max-age=3600");
  return { type: headers["content-type"], value: JSON.parse(bytesOf(body)!.toString()) };
}

async function tokenOf(pipeline: Pipeline, spec: object = {}): Promise<string> {
  const { status, value } = await pipeline.send({
    method: "POST",
    path: "/api/v1/namespaces/default/serviceaccounts/default/token",
    body: { spec },
  });
  expect(status).toBe(201);
  return value.status.token;
}

const part = (token: string, index: number) =>
  JSON.parse(Buffer.from(token.split(".")[index]!, "base64url").toString());
const userOf = async (pipeline: Pipeline, token: string) => {
  const headers = { authorization: `Bearer ${token}` };
  return pipeline.send({ path: "/api", headers, peer: { kind: "anonymous" } });
};

test("the keys that are published verify a token", async () => {
  const pipeline = await start();
  const { type, value } = await read(pipeline, "/.well-known/openid-configuration");
  expect(type).toBe("application/json");
  expect(value).toEqual({
    issuer: "https://kubernetes.default.svc.cluster.local",
    jwks_uri: "https://192.0.2.1:6443/openid/v1/jwks",
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
  });
  const keys = await read(pipeline, new URL(value.jwks_uri).pathname);
  expect(keys.type).toBe("application/jwk-set+json");

  const token = await tokenOf(pipeline, { audiences: ["elsewhere"] });
  const { kid, alg } = part(token, 0);
  expect(part(token, 1)).toMatchObject({ iss: value.issuer, aud: ["elsewhere"], sub: ACCOUNT.user });
  const jwk = keys.value.keys.find((one: JsonWebKey & { kid: string }) => one.kid === kid);
  expect(jwk).toMatchObject({ use: "sig", alg, kty: "EC", crv: "P-256" });
  expect(jwk.d).toBeUndefined();
  const [head, body, signature] = token.split(".");
  const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" } as const;
  expect(verify("sha256", Buffer.from(`${head}.${body}`), key, Buffer.from(signature!, "base64url"))).toBe(true);
  expect((await userOf(pipeline, token)).status).toBe(401);
});

test("without the role there is nothing to see", async () => {
  const pipeline = await start();
  for (const path of ["/.well-known/openid-configuration", "/openid/v1/jwks"]) {
    expect((await pipeline.send({ path, user: "someone", groups: ["system:authenticated"] })).status).toBe(403);
  }
});

test("a new key and a new issuer leave the old tokens good for as long as both are named", async () => {
  const store = createMemoryStore({ clock: systemClock });
  const [first, second] = [pem(), pem()];
  const before = await start({ store, tokenKey: first });
  const old = await tokenOf(before);
  const issuers = ["https://issuer.example.com", "https://kubernetes.default.svc.cluster.local"];
  const after = await start({ store, tokenKey: second, tokens: { issuers, keys: [first] } });
  const young = await tokenOf(after);
  expect(part(young, 1)).toMatchObject({ iss: issuers[0], aud: issuers });
  expect((await userOf(after, young)).status).toBe(200);
  expect((await userOf(after, old)).status).toBe(200);
  const { value } = await read(after, "/openid/v1/jwks");
  expect(value.keys.map(({ kid }: { kid: string }) => kid)).toEqual([part(young, 0).kid, part(old, 0).kid]);

  const without = await start({ store, tokenKey: second });
  expect((await userOf(without, old)).status).toBe(401);
});

test("audiences of the server's own replace the issuer's", async () => {
  const pipeline = await start({ tokens: { audiences: ["api", "vault"] } });
  const token = await tokenOf(pipeline);
  expect(part(token, 1).aud).toEqual(["api", "vault"]);
  expect((await userOf(pipeline, token)).status).toBe(200);
  const other = await tokenOf(pipeline, { audiences: ["https://kubernetes.default.svc.cluster.local"] });
  expect((await userOf(pipeline, other)).status).toBe(401);
});
