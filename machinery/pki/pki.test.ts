/** PKI over real files: what is made, what is kept, what is renewed, and that TLS accepts it. */
import { createPublicKey, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../process/clock.ts";
import { homePaths } from "../process/home.ts";
import { silent } from "../process/logging.ts";
import { createAuthority, issue, lifetimeOf, publicKeyHash, subjectOf } from "./certificates.ts";
import { writePrivate } from "./files.ts";
import { clientOf } from "./kubeconfig.ts";
import { ensurePki, type PkiOptions } from "./pki.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "pki-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const options = (change: Partial<PkiOptions> = {}): PkiOptions => ({
  paths: homePaths(root),
  clock: systemClock,
  log: silent,
  server: "https://127.0.0.1:6443",
  nodeName: "one",
  dnsNames: ["localhost", "kubernetes.default.svc"],
  addresses: ["127.0.0.1", "10.43.0.1"],
  ...change,
});

const at = (days: number) => ({ ...systemClock, now: () => systemClock.now() + days * 86_400_000 });
const admin = async () => clientOf(await readFile(homePaths(root).adminKubeconfig, "utf8"))!;

test("a first start makes private files for every component", async () => {
  await ensurePki(options());
  const paths = homePaths(root);
  for (const path of [join(paths.pki, "ca.key"), paths.adminKubeconfig, paths.kubeconfig("scheduler")])
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  const kubelet = clientOf(await readFile(paths.kubeconfig("kubelet"), "utf8"))!;
  expect(subjectOf(new X509Certificate(kubelet.certificate))).toEqual({
    user: "system:node:one",
    groups: ["system:nodes"],
  });
});

test("a second start changes nothing", async () => {
  const first = await ensurePki(options());
  const client = await admin();
  expect(await ensurePki(options())).toEqual(first);
  expect(await admin()).toEqual(client);
});

test("certificates close to their end are renewed under the same authority and keys for tokens", async () => {
  const first = await ensurePki(options());
  const client = await admin();
  const later = await ensurePki(options({ clock: at(330) }));
  expect(later.authority).toEqual(first.authority);
  expect(later.tokenKey).toBe(first.tokenKey);
  expect(later.serving.certificate).not.toBe(first.serving.certificate);
  expect((await admin()).certificate).not.toBe(client.certificate);
});

test("certificates that are good for a short time are renewed when a sixth of it is left, and not dated back", async () => {
  const short = { seconds: 60 };
  const first = await ensurePki(options(short));
  const { from = 0, until = 0 } = lifetimeOf(first.serving.certificate) ?? {};
  expect(until - from).toBe(60_000);
  const after = (seconds: number) => ({ ...systemClock, now: () => from + seconds * 1000 });
  expect(await ensurePki(options({ ...short, clock: after(49) }))).toEqual(first);
  const later = await ensurePki(options({ ...short, clock: after(51) }));
  expect(later.serving.certificate).not.toBe(first.serving.certificate);
});

test("an authority close to its end gets another certificate for its key: what it signed and who trusts it stay", async () => {
  const first = await ensurePki(options());
  const later = await ensurePki(options({ clock: at(3100) }));
  expect(later.authority.key).toBe(first.authority.key);
  expect(publicKeyHash(later.authority.certificate)).toBe(publicKeyHash(first.authority.certificate));
  const ends = (certificate: string) => lifetimeOf(certificate)?.until ?? 0;
  expect(ends(later.authority.certificate) - ends(first.authority.certificate)).toBeGreaterThan(3000 * 86_400_000);
  const trusting = new X509Certificate(first.authority.certificate);
  expect(new X509Certificate(later.serving.certificate).checkIssued(trusting)).toBe(true);
  expect(
    new X509Certificate(first.serving.certificate).checkIssued(new X509Certificate(later.authority.certificate)),
  ).toBe(true);
  const near = await issue(at(3600), first.authority, { commonName: "late", use: "client" });
  expect(ends(near.certificate)).toBe(ends(first.authority.certificate)); // never longer than who signed it
});

test("an authority that was brought from elsewhere is left as it is, however soon it ends", async () => {
  const brought = await createAuthority(systemClock, "our-company");
  const { pki } = homePaths(root);
  await writePrivate(join(pki, "ca.crt"), brought.certificate);
  await writePrivate(join(pki, "ca.key"), brought.key);
  expect((await ensurePki(options({ clock: at(3600) }))).authority).toEqual(brought);
});

test("a new address makes a new serving certificate, and leaves clients alone", async () => {
  const first = await ensurePki(options());
  const client = await admin();
  const later = await ensurePki(options({ addresses: ["127.0.0.1", "10.43.0.1", "192.0.2.7"] }));
  expect(later.serving.certificate).not.toBe(first.serving.certificate);
  expect(await admin()).toEqual(client);
});

test("a damaged leaf certificate is made anew", async () => {
  const first = await ensurePki(options());
  await writeFile(join(homePaths(root).pki, "apiserver.crt"), "nonsense");
  const later = await ensurePki(options());
  expect(later.authority).toEqual(first.authority);
  expect(new X509Certificate(later.serving.certificate).checkHost("localhost")).toBe("localhost");
});

test("a TLS server and a client with these certificates trust each other", async () => {
  const pki = await ensurePki(options());
  const client = await admin();
  const server = createServer({
    key: pki.serving.key,
    cert: pki.serving.certificate,
    ca: pki.authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const peer = new Promise<string>((resolve) =>
    server.on("secureConnection", (socket) => resolve(subjectOf(socket.getPeerX509Certificate()!).user)),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const socket = connect({
    port,
    host: "127.0.0.1",
    ca: pki.authority.certificate,
    cert: client.certificate,
    key: client.key,
  });
  expect(await peer).toBe("kubernetes-admin");
  socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

test("the token key is an EC key on P-256", async () => {
  const { tokenKey } = await ensurePki(options());
  expect(createPublicKey(tokenKey).asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
});
