/** A server that runs for longer than its certificates are good. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, it } from "vitest";
import { createAuthority, issue, lifetimeOf, publicKeyHash } from "../machinery/pki/certificates.ts";
import { readIfThere } from "../machinery/pki/files.ts";
import { clientOf } from "../machinery/pki/kubeconfig.ts";
import { ensurePki } from "../machinery/pki/pki.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";
import { homePaths } from "../machinery/process/home.ts";
import { silent } from "../machinery/process/logging.ts";
import { keepKeysGood } from "./renewed-keys.ts";
import { listenTls } from "./request/http.ts";
import { createInFlight } from "./request/in-flight.ts";

const DAY_MS = 86_400_000;

it("serves with renewed certificates and renews those of its components, without a restart", async () => {
  const paths = homePaths(await mkdtemp(join(tmpdir(), "apiserver-keys-")));
  const clock = fakeClock(systemClock.now() - 320 * DAY_MS); // so that TLS finds all of them good
  const names = { server: "https://127.0.0.1:1", nodeName: "one", dnsNames: ["localhost"], addresses: ["127.0.0.1"] };
  const load = () => ensurePki({ paths, clock, log: silent, ...names });
  const first = await load();
  const listener = await listenTls({
    handler: async () => ({ status: 200, headers: {}, body: { kind: "none" } }),
    clock: systemClock,
    log: silent,
    inFlight: createInFlight({ clock: systemClock }),
    host: "127.0.0.1",
    port: 0,
    ...first.serving,
    clientAuthority: first.authority.certificate,
  });
  const served = async (): Promise<string> => {
    const socket = connect({ host: "127.0.0.1", port: listener.port, ca: first.authority.certificate });
    await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const kubelet = async () => clientOf((await readIfThere(paths.kubeconfig("kubelet"))) ?? "")?.certificate ?? "";
  const before = { served: await served(), kubelet: await kubelet() };
  const stop = new AbortController();
  const running = keepKeysGood({ first, load, listening: [listener], clock, log: silent, signal: stop.signal });

  await clock.advance(300 * DAY_MS);
  expect({ served: await served(), kubelet: await kubelet() }).toEqual(before);
  const renewed = async () => {
    await clock.advance(DAY_MS); // a look takes real time: files and cryptography
    return (await served()) !== before.served && (await kubelet()) !== before.kubelet;
  };
  await expect.poll(renewed, { timeout: 20_000, interval: 100 }).toBe(true);
  expect(publicKeyHash(await kubelet())).toBe(publicKeyHash(before.kubelet)); // the key is the node
  stop.abort();
  await running;
  await listener.close();
  await rm(paths.root, { recursive: true, force: true });
}, 60_000);

it("says long before that its authority ends, and what to do", async () => {
  const clock = fakeClock();
  const authority = await createAuthority(clock, "k8ts-ca");
  const serving = await issue(clock, authority, { commonName: "kube-apiserver", use: "server" });
  const first = { authority, serving, tokenKey: "" };
  const warnings: string[] = [];
  const log = { ...silent, warn: (text: string) => void warnings.push(text) };
  const stop = new AbortController();
  const load = async () => first;
  const running = keepKeysGood({ first, load, listening: [], clock, log, signal: stop.signal });
  await clock.advance(8 * 365 * DAY_MS);
  expect(warnings).toEqual([]);
  await clock.advance(365 * DAY_MS);
  const ends = new Date(lifetimeOf(authority.certificate)?.until ?? 0).toISOString();
  expect(warnings[0]).toBe(
    `the authority with which this server began ends at ${ends}: restart it before, to go on with a renewed one`,
  );
  stop.abort();
  await running;
});
