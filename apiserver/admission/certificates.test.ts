/** Signing requests: who asked is what the server knows; who may approve and sign has the right for the signer. */
import { webcrypto } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { readSigningRequest } from "../../machinery/pki/signing-request.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const MERGE = { "content-type": "application/merge-patch+json" };

async function request(subject: string): Promise<string> {
  await import("reflect-metadata"); // the library needs it and does not bring it
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const made = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subject,
    keys: keys as never,
    signingAlgorithm: algorithm,
  });
  return Buffer.from(made.toString("pem")).toString("base64");
}
let pem: string;
beforeAll(async () => {
  pem = await request("CN=jane,O=devs,O=ops");
});

const body = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { request: pem, signerName: "example.com/client", usages: ["client auth"], ...spec },
});
const send = (method: string, path: string, sent: unknown, user = "admin", groups = ["system:masters"]) =>
  pipeline.send({
    method,
    path: PATH + path,
    body: sent,
    user,
    groups,
    ...(method === "PATCH" ? { headers: MERGE } : {}),
  });
const condition = (type: string, status = "True") => ({ type, status, reason: "r", message: "m" });
const approve = (name: string, type = "Approved", user?: string, groups?: string[]) =>
  send("PATCH", `/${name}/approval`, { status: { conditions: [condition(type)] } }, user, groups);

test("a request is read without the library that makes one", () => {
  expect(readSigningRequest(Buffer.from(pem, "base64").toString())).toEqual({
    commonName: "jane",
    organizations: ["devs", "ops"],
    dnsNames: [],
    emails: [],
    addresses: [],
    uris: [],
    keyHash: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

test("who asked is what the server knows", async () => {
  const { status, value } = await send("POST", "", body("who", { username: "root", groups: ["system:masters"] }));
  expect(status).toBe(201);
  expect(value.spec).toMatchObject({ username: "admin", groups: expect.arrayContaining(["system:masters"]) });
  const changed = await send("PATCH", "/who", { spec: { signerName: "example.com/other" } });
  expect(changed.value.spec.signerName).toBe("example.com/client");
});

test.each<[string, object, string]>([
  ["no request", { request: "" }, "PEM block type must be CERTIFICATE REQUEST"],
  ["no usages", { usages: [] }, "spec.usages: Required value"],
  [
    "an unknown usage",
    { usages: ["x"] },
    'spec.usages[0]: Unsupported value: "x": supported values: "any", "cert sign"',
  ],
  ["a usage twice", { usages: ["any", "any"] }, 'spec.usages[1]: Duplicate value: "any"'],
  ["no signer", { signerName: "" }, "spec.signerName: Required value"],
  [
    "a signer without a path",
    { signerName: "x" },
    "must be a fully qualified domain and path of the form 'example.com/signer-name'",
  ],
  [
    "the legacy signer",
    { signerName: "kubernetes.io/legacy-unknown" },
    "the legacy signerName is not allowed via this API version",
  ],
  ["too short a time", { expirationSeconds: 60 }, "may not specify a duration less than 600 seconds (10 minutes)"],
])("a request with %s is refused", async (_what, spec, message) => {
  const { status, value } = await send("POST", "", body("bad", spec));
  expect([status, value.message]).toEqual([422, expect.stringContaining(message)]);
});

describe("approval", () => {
  test("sets conditions that stay, through its own subresource only", async () => {
    await send("POST", "", body("approved"));
    const direct = await send("PATCH", "/approved/status", { status: { conditions: [condition("Approved")] } });
    expect(direct.value.message).toContain('updates may not add a condition of type "Approved"');
    expect((await approve("approved")).status).toBe(200);
    const removed = await send("PATCH", "/approved/approval", { status: { conditions: [] } });
    expect(removed.value.message).toContain('updates may not remove a condition of type "Approved"');
    const both = await send("PATCH", "/approved/approval", {
      status: { conditions: [condition("Approved"), condition("Denied")] },
    });
    expect(both.value.message).toContain("Approved and Denied conditions are mutually exclusive");
    const unsure = await send("PATCH", "/approved/approval", {
      status: { conditions: [condition("Approved", "False")] },
    });
    expect(unsure.status).toBe(422);
    expect((await send("GET", "/approved/approval", undefined)).value.status.conditions).toHaveLength(1);
  });

  test("does not set the certificate; the signer does, once", async () => {
    await send("POST", "", body("signed"));
    const certificate = Buffer.from("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n").toString(
      "base64",
    );
    await send("PATCH", "/signed/approval", { status: { certificate, conditions: [condition("Approved")] } });
    expect((await send("GET", "/signed", undefined)).value.status.certificate).toBeUndefined();
    expect((await send("PATCH", "/signed/status", { status: { certificate } })).status).toBe(200);
    const again = await send("PATCH", "/signed/status", {
      status: { certificate: Buffer.from("x").toString("base64") },
    });
    expect(again.value.message).toContain("updates may not modify existing certificate content");
  });

  test("is for those who may approve requests for that signer", async () => {
    await send("POST", "", body("guarded"));
    const rbac = "/apis/rbac.authorization.k8s.io/v1";
    const role = (name: string, rules: object[]) =>
      pipeline.send({ method: "POST", path: `${rbac}/clusterroles`, body: { metadata: { name }, rules } });
    const bind = (name: string) =>
      pipeline.send({
        method: "POST",
        path: `${rbac}/clusterrolebindings`,
        body: {
          metadata: { name },
          roleRef: { kind: "ClusterRole", name, apiGroup: "rbac.authorization.k8s.io" },
          subjects: [{ kind: "User", name: "ann", apiGroup: "rbac.authorization.k8s.io" }],
        },
      });
    const group = "certificates.k8s.io";
    await role("updaters", [
      { apiGroups: [group], resources: ["certificatesigningrequests/approval"], verbs: ["update", "patch"] },
    ]);
    await bind("updaters");
    const refused = await approve("guarded", "Approved", "ann", []);
    expect(refused.status).toBe(403);
    expect(refused.value.message).toContain(
      'user not permitted to approve requests with signerName "example.com/client"',
    );
    await role("approvers", [
      { apiGroups: [group], resources: ["signers"], resourceNames: ["example.com/*"], verbs: ["approve"] },
    ]);
    await bind("approvers");
    expect((await approve("guarded", "Approved", "ann", [])).status).toBe(200);
  });
});

test("nobody becomes an administrator by asking for it", async () => {
  const spec = { signerName: "kubernetes.io/kube-apiserver-client", request: await request("CN=x,O=system:masters") };
  const { status, value } = await send("POST", "", body("root", spec));
  expect(status).toBe(403);
  expect(value.message).toContain(
    "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
  );
});
