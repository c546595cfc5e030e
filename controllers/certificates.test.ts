/** Certificates: nodes get theirs by themselves, others when somebody approves, wrong ones never. */
import { webcrypto, X509Certificate } from "node:crypto";
import { afterEach, beforeAll, describe, expect, it, test } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import type { CertificateSigningRequest } from "../machinery/objects/kinds.ts";
import { createAuthority, type KeyPair, subjectOf } from "../machinery/pki/certificates.ts";
import { readSigningRequest } from "../machinery/pki/signing-request.ts";
import { systemClock, wireTime } from "../machinery/process/clock.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";
import { goesAt } from "./certificate-cleaning.ts";
import { rightsFor } from "./certificate-requesters.ts";
import { SIGNERS } from "./certificate-rules.ts";
import { lifetime } from "./certificate-signing.ts";

let cluster: Controlled;
afterEach(() => cluster?.close());
let signing: KeyPair;
beforeAll(async () => {
  signing = await createAuthority(systemClock, "test-ca");
});

const EC = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const RSA = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
};
type Names = { type: "dns" | "ip" | "email" | "url"; value: string }[];

async function pemFor(name: string, others: Names = [], algorithm: typeof EC | typeof RSA = EC): Promise<string> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const made = await x509.Pkcs10CertificateRequestGenerator.create({
    name,
    keys: keys as never,
    signingAlgorithm: algorithm,
    extensions: others.length > 0 ? [new x509.SubjectAlternativeNameExtension(others)] : [],
  });
  return made.toString("pem");
}

const KUBELET = "kubernetes.io/kube-apiserver-client-kubelet";
const draft = (name: string, pem: string, signerName: string, usages: string[], more: object = {}) => ({
  metadata: { name },
  spec: { request: Buffer.from(pem).toString("base64"), signerName, usages, ...more },
});
const read = (name: string) => cluster.client.get("certificatesigningrequests", { name });
const conditionsOf = async (name: string) => (await read(name)).status?.conditions?.map(({ type }) => type);
const certificateOf = async (name: string) => {
  const { certificate } = (await read(name)).status ?? {};
  return certificate && new X509Certificate(Buffer.from(certificate, "base64"));
};
const approve = (name: string) =>
  cluster.client.patch(
    "certificatesigningrequests",
    { name },
    { status: { conditions: [{ type: "Approved", status: "True", reason: "me", message: "fine" }] } },
    { subresource: "approval" },
  );
const ask = (user: string, groups: string[], body: object) =>
  cluster.pipeline.send({
    method: "POST",
    path: "/apis/certificates.k8s.io/v1/certificatesigningrequests",
    body,
    user,
    groups,
  });

const CLIENT_USAGES = ["digital signature", "client auth"];

it("gives a new node its certificate when its group may ask for it, and renews it for the node itself", async () => {
  cluster = await startControlled({ signing });
  const bind = (name: string, role: string, group: string) =>
    cluster.create("clusterrolebindings", {
      metadata: { name },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: group }],
    });
  const roles = "system:certificates.k8s.io:certificatesigningrequests";
  await bind("bootstrap", "system:node-bootstrapper", "system:bootstrappers");
  await bind("approve", `${roles}:nodeclient`, "system:bootstrappers");
  await bind("renew", `${roles}:selfnodeclient`, "system:nodes");

  const pem = await pemFor("O=system:nodes,CN=system:node:n7");
  const first = draft("first", pem, KUBELET, CLIENT_USAGES);
  expect((await ask("system:bootstrap:abcdef", ["system:bootstrappers"], first)).status).toBe(201);
  await expect.poll(() => certificateOf("first"), { timeout: 5_000 }).toBeTruthy();
  const certificate = (await certificateOf("first")) as X509Certificate;
  expect(certificate.verify(new X509Certificate(signing.certificate).publicKey)).toBe(true);
  expect(subjectOf(certificate)).toEqual({ user: "system:node:n7", groups: ["system:nodes"] });
  expect((await read("first")).status?.conditions?.[0]).toMatchObject({
    type: "Approved",
    reason: "AutoApproved",
    message: "Auto approving kubelet client certificate after SubjectAccessReview.",
  });

  const renewal = draft("renewal", pem, KUBELET, CLIENT_USAGES);
  expect((await ask("system:node:n7", ["system:nodes"], renewal)).status).toBe(201);
  await expect.poll(() => certificateOf("renewal"), { timeout: 5_000 }).toBeTruthy();
  expect((await read("renewal")).status?.conditions?.[0]?.message).toMatch("Auto approving self kubelet client");
});

it("denies a machine that brings a token the name of another one, and gives nodes what is their own", async () => {
  cluster = await startControlled({ signing });
  const token = ["system:bootstrap:abcdef", ["system:bootstrappers", "system:bootstrappers:k8ts:nodes"]] as const;
  const node = ["system:node:n7", ["system:nodes"]] as const;
  const addresses = [
    { type: "InternalIP", address: "10.0.0.7" },
    { type: "InternalIP", address: "fd00::7" },
  ];
  await cluster.create("nodes", { metadata: { name: "n7", annotations: { "k8ts.io/node-key": "f".repeat(64) } } });
  await cluster.client.patch("nodes", { name: "n7" }, { status: { addresses } }, { subresource: "status" });
  const ip = (value: string): Names => [{ type: "ip", value }];
  const CLIENT = "kubernetes.io/kube-apiserver-client";
  const SERVING = "kubernetes.io/kubelet-serving";
  const serving = ["digital signature", "server auth"];
  const kubelet = "O=system:nodes,CN=system:node:n7";
  for (const [name, [user, groups], subject, others, signer, usages] of [
    ["stolen", token, kubelet, [], KUBELET, CLIENT_USAGES],
    ["own", node, kubelet, [], KUBELET, CLIENT_USAGES],
    ["proxy", node, "CN=system:kube-proxy", [], CLIENT, CLIENT_USAGES],
    ["proxy-by-token", token, "CN=system:kube-proxy", [], CLIENT, CLIENT_USAGES],
    ["scheduler", node, "CN=system:kube-scheduler", [], CLIENT, CLIENT_USAGES],
    ["grouped", node, "CN=system:kube-proxy,O=system:nodes", [], CLIENT, CLIENT_USAGES],
    ["serving", node, kubelet, [...ip("10.0.0.7"), ...ip("fd00::7")], SERVING, serving],
    ["foreign", node, kubelet, ip("10.0.0.8"), SERVING, serving],
  ] as const)
    expect(
      (await ask(user, [...groups], draft(name, await pemFor(subject, [...others]), signer, [...usages]))).status,
    ).toBe(201);

  await expect.poll(() => conditionsOf("stolen"), { timeout: 5_000 }).toEqual(["Denied"]);
  expect((await read("stolen")).status?.conditions?.[0]).toMatchObject({ reason: "NodeNameTaken" });
  for (const name of ["own", "proxy", "serving"])
    await expect.poll(() => certificateOf(name), { timeout: 5_000 }).toBeTruthy();
  await cluster.settled();
  for (const name of ["proxy-by-token", "scheduler", "grouped", "foreign"])
    expect([name, await conditionsOf(name)]).toEqual([name, undefined]);
});

it("leaves to people what it does not approve, and signs what they approve for as long as it is asked for", async () => {
  cluster = await startControlled({ signing });
  const names: Names = [
    { type: "dns", value: "web.example.com" },
    { type: "ip", value: "10.0.0.7" },
  ];
  const pem = await pemFor("CN=jane,O=devs", names, RSA);
  await cluster.create(
    "certificatesigningrequests",
    draft("jane", pem, "kubernetes.io/kube-apiserver-client", ["client auth"], { expirationSeconds: 3600 }),
  );
  await cluster.create("certificatesigningrequests", draft("other", pem, "example.com/own", ["client auth"]));
  await cluster.settled();
  expect(await conditionsOf("jane")).toBeUndefined();
  await approve("jane");
  await approve("other");
  await expect.poll(() => certificateOf("jane"), { timeout: 5_000 }).toBeTruthy();
  const certificate = (await certificateOf("jane")) as X509Certificate;
  expect(certificate.subjectAltName).toBe("DNS:web.example.com, IP Address:10.0.0.7");
  expect(certificate.validToDate.getTime() - certificate.validFromDate.getTime()).toBe(3_600_000);
  expect(certificate.ca).toBe(false);
  expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
  await cluster.settled();
  expect(await certificateOf("other")).toBeUndefined();
});

it("marks an approved request as failed that its signer must not sign", async () => {
  cluster = await startControlled({ signing });
  const pem = await pemFor("CN=jane,O=devs");
  await cluster.create(
    "certificatesigningrequests",
    draft("jane", pem, "kubernetes.io/kubelet-serving", ["server auth"]),
  );
  await approve("jane");
  await expect.poll(() => conditionsOf("jane"), { timeout: 5_000 }).toEqual(["Approved", "Failed"]);
  expect((await read("jane")).status?.conditions?.[1]).toMatchObject({
    reason: "SignerValidationFailure",
    message: "subject organization is not system:nodes",
  });
});

it("removes what was answered after an hour, what nobody answered after a day", async () => {
  const clock = fakeClock();
  cluster = await startControlled({ clock });
  const pem = await pemFor("CN=jane,O=devs");
  for (const name of ["answered", "waiting"])
    await cluster.create("certificatesigningrequests", draft(name, pem, "example.com/own", ["client auth"]));
  await cluster.client.patch(
    "certificatesigningrequests",
    { name: "answered" },
    { status: { conditions: [{ type: "Denied", status: "True", lastUpdateTime: wireTime(clock.now()) }] } },
    { subresource: "approval" },
  );
  const names = async () => (await cluster.list("certificatesigningrequests")).map(({ metadata }) => metadata.name);
  await cluster.settled();
  expect(await names()).toEqual(["answered", "waiting"]);
  await clock.advance(3_600_000);
  await cluster.settled();
  expect(await names()).toEqual(["waiting"]);
  await clock.advance(23 * 3_600_000);
  await cluster.settled();
  expect(await names()).toEqual([]);
}, 60_000);

describe("what the kubelets' signers take", () => {
  const node = "O=system:nodes,CN=system:node:n1";
  test.each([
    [KUBELET, node, [], CLIENT_USAGES, undefined],
    [KUBELET, node, [], [...CLIENT_USAGES, "key encipherment"], undefined],
    [KUBELET, node, [], ["client auth"], "usages did not match [client auth digital signature key encipherment]"],
    [KUBELET, node, [], [...CLIENT_USAGES, "server auth"], "usages did not match"],
    [KUBELET, "O=system:masters,CN=system:node:n1", [], CLIENT_USAGES, "subject organization is not system:nodes"],
    [KUBELET, "O=system:nodes,CN=n1", [], CLIENT_USAGES, "subject common name does not begin with system:node:"],
    [KUBELET, node, [{ type: "dns", value: "n1" }], CLIENT_USAGES, "DNS subjectAltNames are not allowed"],
    [KUBELET, node, [{ type: "ip", value: "10.0.0.1" }], CLIENT_USAGES, "IP subjectAltNames are not allowed"],
    ["kubernetes.io/kubelet-serving", node, [], ["digital signature", "server auth"], "DNS or IP subjectAltName"],
    [
      "kubernetes.io/kubelet-serving",
      node,
      [{ type: "ip", value: "10.0.0.1" }],
      ["digital signature", "server auth"],
      undefined,
    ],
    [
      "kubernetes.io/kubelet-serving",
      node,
      [
        { type: "dns", value: "n1" },
        { type: "email", value: "n1@example.com" },
      ],
      ["digital signature", "server auth"],
      "email subjectAltNames are not allowed",
    ],
    ["kubernetes.io/kube-apiserver-client", "CN=jane", [], ["server auth"], "invalid usage for client certificate"],
    ["kubernetes.io/kube-apiserver-client", "CN=jane", [], ["digital signature"], "missing required usage for client"],
  ] as const)("%s for %s with %j and %j: %s", async (signer, subject, others, usages, problem) => {
    const wrong = SIGNERS[signer]?.(readSigningRequest(await pemFor(subject, [...others] as Names)), usages);
    if (problem === undefined) expect(wrong).toBeUndefined();
    else expect(wrong).toContain(problem);
  });
});

test("only a kubelet's own request needs no more than the right to renew", async () => {
  const pem = await pemFor("O=system:nodes,CN=system:node:n1");
  const from = (username: string) =>
    rightsFor(draft("x", pem, KUBELET, CLIENT_USAGES, { username }) as unknown as CertificateSigningRequest).map(
      ({ subresource }) => subresource,
    );
  expect(from("system:node:n1")).toEqual(["selfnodeclient", "nodeclient"]);
  expect(from("system:bootstrap:abcdef")).toEqual(["nodeclient"]);
});

test("a certificate lives as long as asked, between ten minutes and a year", () => {
  expect([undefined, 60, 7200, 10 ** 9].map((seconds) => lifetime(seconds, 31_536_000))).toEqual([
    31_536_000, 600, 7200, 31_536_000,
  ]);
});

test("where the longest is shorter than that, it is what everybody gets", () => {
  expect([undefined, 600, 7200].map((seconds) => lifetime(seconds, 40))).toEqual([40, 40, 40]);
});

test("an approved request without certificate stays", () => {
  const request = {
    metadata: { creationTimestamp: "2026-01-01T00:00:00Z" },
    status: { conditions: [{ type: "Approved", status: "True", lastUpdateTime: "2026-01-01T00:00:00Z" }] },
  };
  expect(goesAt(request as unknown as CertificateSigningRequest)).toBeUndefined();
});
