/** Certificates of a node in virtual time: renewed before they end, with the key that the node is. */
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { type Controlled, startControlled } from "../../e2e/harness/controlled.ts";
import { createClient } from "../client/create-client.ts";
import { targetFromFile } from "../client/kubeconfig.ts";
import { ApiError } from "../objects/status.ts";
import { createAuthority, createSigningKey, type KeyPair, lifetimeOf, publicKeyHash } from "../pki/certificates.ts";
import { makeSigningRequest } from "../pki/make-request.ts";
import { signRequest } from "../pki/sign.ts";
import { type FakeClock, fakeClock } from "../process/fake-clock.ts";
import { type HomePaths, homePaths } from "../process/home.ts";
import { silent } from "../process/logging.ts";
import { AUTHORITY_KEY, NODE_FACTS } from "./cluster-facts.ts";
import {
  type NodeComponent,
  type NodeRecord,
  nodeSubjects,
  readIdentity,
  readNodeRecord,
  writeIdentity,
} from "./node-record.ts";
import { renewAt, renewCertificates } from "./renew.ts";

test.each([
  [0, 700],
  [0.5, 800],
  [0.999, 900],
])("a certificate of 1000 ms is renewed with a share of %d after %d ms", (share, at) => {
  expect(Math.round(renewAt({ from: 0, until: 1000 }, share))).toBe(at);
});

describe("a node's certificates", () => {
  const HOUR = 3_600;
  const COMPONENTS: readonly NodeComponent[] = ["kubelet", "proxy", "dns"];
  let clock: FakeClock;
  let cluster: Controlled;
  let paths: HomePaths;
  let down = false;
  let authority: KeyPair;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(async () => {
    clock = fakeClock();
    down = false;
    stop = new AbortController();
    authority = await createAuthority(clock, "test-ca");
    cluster = await startControlled({ signing: authority, clock });
    paths = homePaths(await mkdtemp(join(tmpdir(), "k8ts-renew-")));
    const facts = { clusterCidr: "", serviceCidr: "", clusterDns: "", clusterDomain: "" };
    const place = { server: "https://x:1", nodeName: "n7", authority: authority.certificate };
    const record: NodeRecord = { ...place, facts, seconds: HOUR };
    for (const component of COMPONENTS) {
      const key = await createSigningKey();
      const request = makeSigningRequest(key, nodeSubjects("n7")[component]);
      const certificate = await signRequest(clock, authority, request, { usages: ["client auth"], seconds: HOUR });
      await writeIdentity(paths, component, record, { key, certificate });
    }
    await allowNodes();
    const inner = cluster.pipeline.transport("system:node:n7", ["system:nodes", "system:authenticated"]);
    const client = createClient({
      ...inner,
      request: async (request) => {
        if (down) throw new ApiError("ServiceUnavailable", "down");
        return inner.request(request);
      },
    });
    running = renewCertificates({ paths, record, client, clock, log: silent, signal: stop.signal });
  });
  afterEach(async () => {
    stop.abort(new Error("over"));
    await running;
    await cluster.close();
    await rm(paths.root, { recursive: true, force: true });
  });

  /** As the API server does it for nodes. */
  const allowNodes = async () => {
    const metadata = { namespace: NODE_FACTS.namespace, name: "k8ts:nodes" };
    const group = "rbac.authorization.k8s.io";
    const rules = [{ verbs: ["get"], apiGroups: [""], resources: ["configmaps"], resourceNames: [NODE_FACTS.name] }];
    await cluster.create("roles", { metadata, rules });
    await cluster.create("rolebindings", {
      metadata,
      roleRef: { apiGroup: group, kind: "Role", name: metadata.name },
      subjects: [{ apiGroup: group, kind: "Group", name: "system:nodes" }],
    });
  };
  const read = async (component: NodeComponent) => {
    const identity = (await readIdentity(paths, component)) as KeyPair;
    return { ...identity, until: lifetimeOf(identity.certificate)?.until ?? 0 };
  };
  /** Virtual time until it holds; cryptography and files take real time between. */
  const passUntil = async (holds: () => Promise<boolean>) => {
    for (let tries = 0; !(await holds()); tries++) {
      if (tries > 300) throw new Error("it never came");
      await clock.advance(20_000);
      await cluster.settled();
    }
  };
  const minutes = () => clock.monotonic() / 60_000;

  it("are renewed each at a time of its own, with the same key", async () => {
    const renewed: number[] = [];
    for (const component of COMPONENTS) {
      const before = await read(component);
      await passUntil(async () => (await read(component)).until > before.until);
      renewed.push(minutes());
      const after = await read(component);
      expect(after.key).toBe(before.key);
      expect(publicKeyHash(after.certificate)).toBe(publicKeyHash(before.certificate));
      expect(new X509Certificate(after.certificate).subject).toBe(new X509Certificate(before.certificate).subject);
    }
    expect(Math.min(...renewed)).toBeGreaterThanOrEqual(0.69 * 60);
  }, 60_000);

  it.each([
    ["its renewed certificate is taken up", () => authority.key, true],
    ["one of another key is not", () => undefined, false],
  ])(
    "come with the authority: %s",
    async (_what, key, taken) => {
      const later = { ...clock, now: () => clock.now() + 24 * HOUR * 1000 };
      const told = (await createAuthority(later, "test-ca", key())).certificate;
      const { namespace, name } = NODE_FACTS;
      await cluster.create("configmaps", { metadata: { namespace, name }, data: { [AUTHORITY_KEY]: told } });
      const before = await read("kubelet");
      await passUntil(async () => (await read("kubelet")).until > before.until);
      const { access } = await targetFromFile(paths.kubeconfig("kubelet"));
      expect(access.ca === told).toBe(taken);
      expect((await readNodeRecord(paths))?.authority).toBe(taken ? told : undefined);
    },
    60_000,
  );

  it("are asked for again while no server answers, until one does", async () => {
    const before = await read("kubelet");
    down = true;
    await passUntil(async () => minutes() > 57);
    expect(await read("kubelet")).toEqual(before);
    down = false;
    await passUntil(async () => (await read("kubelet")).until > before.until);
  }, 60_000);
});
