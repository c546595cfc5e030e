/** Joining over TLS, with the real API server and controllers: what works, and what each failure says. */
import { X509Certificate } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { type Joinable, startJoinable } from "../../e2e/harness/joinable.ts";
import { createClient } from "../client/create-client.ts";
import { targetFromFile } from "../client/kubeconfig.ts";
import { httpsTransport } from "../client/transport/https.ts";
import { createAuthority, publicKeyHash, subjectOf } from "../pki/certificates.ts";
import { writePrivate } from "../pki/files.ts";
import { systemClock } from "../process/clock.ts";
import { homePaths } from "../process/home.ts";
import { silent } from "../process/logging.ts";
import { NODE_KEY, SERVER_KEYS } from "./cluster-facts.ts";
import { type JoinOptions, joinCluster } from "./join.ts";
import { readIdentity, readNodeRecord, writeNodeRecord } from "./node-record.ts";
import { fetchServerKeys } from "./server-keys.ts";
import { formatJoinToken, parseJoinToken } from "./token.ts";
import { milliseconds } from "./token-command.ts";

describe("a token", () => {
  const hash = "0123456789abcdef".repeat(4);
  const text = `K10${hash}::abcdef.0123456789abcdef`;
  it("says whom to trust and what to bring", () => {
    const token = { authorityHash: hash, id: "abcdef", secret: "0123456789abcdef" };
    expect(parseJoinToken(` ${text}\n`)).toEqual(token);
    expect(formatJoinToken(token)).toBe(text);
  });
  test.each([
    ["abcdef.0123456789abcdef", "lacks its first part"],
    ["K10abc::abcdef.0123456789abcdef", "is no join token"],
    ["hello", "is no join token"],
    ["", "is no join token"],
    [text.slice(0, -1), "cut off or mistyped"],
    [text.toUpperCase(), "is no join token"],
  ])("%j is refused: %s", (wrong, why) => {
    expect(() => parseJoinToken(wrong)).toThrow(why);
    expect(() => parseJoinToken(wrong)).not.toThrow(wrong || "nothing");
  });
  test.each([
    ["24h", 86_400_000],
    ["1h30m", 5_400_000],
    ["7d", 604_800_000],
    ["0", 0],
    ["0s", 0],
  ])("may be good for %s", (ttl, ms) => expect(milliseconds(ttl)).toBe(ms));
  test.each(["", "24", "h", "1x", "-1h", "1h 2m"])("is not good for %j", (ttl) =>
    expect(() => milliseconds(ttl)).toThrow("--ttl takes a duration"),
  );
});

describe("a machine", () => {
  let cluster: Joinable;
  beforeAll(async () => {
    cluster = await startJoinable();
  }, 60_000);
  afterAll(() => cluster.close());

  const optionsFor = async (more: Partial<JoinOptions>): Promise<JoinOptions> => ({
    paths: homePaths(await cluster.directory()),
    clock: systemClock,
    log: silent,
    signal: new AbortController().signal,
    server: cluster.server,
    token: await cluster.token("create", "--print", "token"),
    nodeName: undefined,
    hostName: "Host-1.Example",
    ...more,
  });

  it("joins, and then is its node with identities of its own", async () => {
    const options = await optionsFor({});
    const record = await joinCluster(options);
    expect(record).toMatchObject({ server: cluster.server, nodeName: "host-1.example", authority: cluster.authority });
    expect(record.facts).toEqual({
      clusterCidr: "10.42.0.0/16",
      serviceCidr: "10.43.0.0/16",
      clusterDns: "10.43.0.10",
      clusterDomain: "cluster.local",
    });
    for (const [component, user] of [
      ["kubelet", "system:node:host-1.example"],
      ["proxy", "system:kube-proxy"],
      ["dns", "system:k8ts:dns"],
    ] as const) {
      const identity = await readIdentity(options.paths, component);
      expect(subjectOf(new X509Certificate(identity?.certificate ?? "")).user).toBe(user);
      const { access } = await targetFromFile(options.paths.kubeconfig(component));
      const transport = httpsTransport({ access, clock: systemClock });
      const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
      const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
      const said = await createClient(transport).raw({ method: "POST", path, body: review });
      expect(said).toMatchObject({ status: { userInfo: { username: user } } });
      await transport.close();
    }
  });

  it("needs no token again, whatever its host is called by then, and takes another address of the server", async () => {
    const options = await optionsFor({ nodeName: "steady" });
    await joinCluster(options);
    const key = await readFile(join(options.paths.pki, "node.key"), "utf8");
    const again = { ...options, token: undefined, nodeName: undefined, hostName: "renamed" };
    expect(await joinCluster(again)).toMatchObject({ nodeName: "steady" });
    const moved = await joinCluster({ ...again, server: cluster.server.replace("127.0.0.1", "localhost") });
    const { access } = await targetFromFile(options.paths.kubeconfig("dns"));
    expect(access.server).toBe(moved.server);
    expect(await readFile(join(options.paths.pki, "node.key"), "utf8")).toBe(key);
    await expect(joinCluster({ ...again, nodeName: "other" })).rejects.toThrow("is node steady already, not other");
    const elsewhere = { authorityHash: "0".repeat(64), id: "abcdef", secret: "0123456789abcdef" };
    await expect(joinCluster({ ...again, token: formatJoinToken(elsewhere) })).rejects.toThrow("of another cluster");
  });

  it("goes on where it was killed, with the same key", async () => {
    const options = await optionsFor({ nodeName: "killed" });
    const { certificate } = { certificate: (await joinCluster(options)).nodeName };
    expect(certificate).toBe("killed");
    const before = publicKeyHash((await readIdentity(options.paths, "kubelet"))?.certificate ?? "");
    await cluster.admin.create("nodes", { metadata: { name: "killed", annotations: { [NODE_KEY]: before } } });
    await rm(join(options.paths.root, "node.json"));
    await joinCluster(options);
    expect(publicKeyHash((await readIdentity(options.paths, "kubelet"))?.certificate ?? "")).toBe(before);
  });

  it("does not get the name of another machine, until that node is deleted", async () => {
    await cluster.admin.create("nodes", { metadata: { name: "taken", annotations: { [NODE_KEY]: "f".repeat(64) } } });
    const options = await optionsFor({ nodeName: "taken" });
    await expect(joinCluster(options)).rejects.toThrow('node "taken" is there already and is another machine');
    expect(await readNodeRecord(options.paths)).toBeUndefined();
    await cluster.admin.delete("nodes", { name: "taken" });
    await expect(joinCluster(options)).resolves.toMatchObject({ nodeName: "taken" });
  });

  it("whose certificate has ended joins once more as the same node", async () => {
    const options = await optionsFor({ nodeName: "late" });
    await joinCluster(options);
    const past = { ...systemClock, now: () => systemClock.now() + 400 * 86_400_000 };
    const ended = joinCluster({ ...options, token: undefined, clock: past });
    await expect(ended).rejects.toThrow("the certificate of node late has ended, so a token is needed once more");
    await expect(joinCluster({ ...options, clock: past })).resolves.toMatchObject({ nodeName: "late" });
  });

  const token = (part: (hash: string) => string) => async () => part(publicKeyHash(cluster.authority));
  const unknown = token((hash) => `K10${hash}::abcdef.0123456789abcdef`);
  const foreign = async () => {
    const { certificate } = await createAuthority(systemClock, "other");
    return `K10${publicKeyHash(certificate)}::abcdef.0123456789abcdef`;
  };
  test.each<[string, () => Promise<Partial<JoinOptions>>, string]>([
    ["a token of another cluster", async () => ({ token: await foreign() }), "is not the one that the token is from"],
    ["an unknown token", async () => ({ token: await unknown() }), "does not take the token: it has expired"],
    ["no token", async () => ({ token: undefined }), "has not joined a cluster yet, so it needs a token"],
    ["nobody at the address", async () => ({ server: "https://127.0.0.1:1" }), "cannot reach https://127.0.0.1:1"],
    ["an address that is none", async () => ({ server: "10.0.0.1:6443" }), "--server is an address like https://"],
    ["a name that is none", async () => ({ nodeName: "a_b" }), '"a_b" cannot be a node\'s name'],
    [
      "a clock that is behind",
      async () => ({ clock: { ...systemClock, now: () => systemClock.now() - 86_400_000 } }),
      "set this machine's clock",
    ],
  ])("says what is wrong: %s", async (_what, more, why) => {
    await expect(joinCluster(await optionsFor(await more()))).rejects.toThrow(why);
  });

  it("is told that a deleted token is none; list shows tokens without their secrets", async () => {
    const made = await cluster.token("create", "--ttl", "2h", "--description", "rack 7", "--print", "token");
    const id = parseJoinToken(made).id;
    const listed = await cluster.token("list");
    expect(listed).toMatch(new RegExp(`^${id} +(2h|119m|1h59m) .*authentication,signing +rack 7 `, "m"));
    expect(listed).not.toContain(parseJoinToken(made).secret);
    expect(await cluster.token("delete", id)).toBe(`token ${id} deleted`);
    await expect(cluster.token("delete", id)).rejects.toThrow(`there is no token ${id}`);
    await expect(joinCluster(await optionsFor({ token: made, nodeName: "n" }))).rejects.toThrow(
      "does not take the token",
    );
    expect(await cluster.token("create")).toMatch(
      /^k8ts agent --server https:\/\/127\.0\.0\.1:\d+ --token K10[0-9a-f]{64}::/,
    );
  });

  it("becomes a further server with the keys that servers share, which only its token opens", async () => {
    const context = { clock: systemClock, signal: new AbortController().signal, server: cluster.server };
    const own = await cluster.token("create", "--servers", "--print", "token");
    const other = await cluster.token("create", "--servers", "--print", "token");
    const paths = homePaths(await cluster.directory());
    await fetchServerKeys({ ...context, paths, token: own });
    for (const file of ["ca.crt", "ca.key", "service-accounts.key", "front-proxy-ca.crt", "front-proxy-ca.key"])
      expect(await readFile(join(paths.pki, file), "utf8")).toBe(
        await readFile(join(cluster.home, "pki", file), "utf8"),
      );
    await fetchServerKeys({ ...context, paths, token: undefined }); // they are there
    expect(JSON.stringify(await cluster.admin.get("secrets", SERVER_KEYS))).not.toContain("PRIVATE");

    const empty = homePaths(await cluster.directory());
    const mixed = `${own.slice(0, own.lastIndexOf("::"))}::${other.slice(other.lastIndexOf("::") + 2)}`;
    const forAgents = await cluster.token("create", "--print", "token");
    for (const [token, why] of [
      [mixed, "cannot be opened by this token"],
      [forAgents, "the token is one for agents"],
      [undefined, "a further server needs a token"],
      [own.replace(/::[a-z0-9]{6}\./, "::zzzzzz."), "does not take the token"],
    ] as const)
      await expect(fetchServerKeys({ ...context, paths: empty, token })).rejects.toThrow(why);
    await writePrivate(join(empty.pki, "ca.crt"), (await createAuthority(systemClock, "other")).certificate);
    await writePrivate(join(empty.pki, "ca.key"), "other");
    const refused = fetchServerKeys({ ...context, paths: empty, token: own });
    await expect(refused).rejects.toThrow("holds the authority of another cluster");
    await expect(joinCluster(await optionsFor({ token: own, nodeName: "by-server-token" }))).resolves.toBeTruthy();
  });

  it("does not join over a record that a crash left half", async () => {
    const options = await optionsFor({ nodeName: "half" });
    const record = await joinCluster(options);
    await rm(options.paths.kubeconfig("kubelet"));
    await writeNodeRecord(options.paths, record);
    await expect(joinCluster({ ...options, token: undefined })).rejects.toThrow("a token is needed once more");
    await expect(joinCluster(options)).resolves.toMatchObject({ nodeName: "half" });
  });
});
