/** What `k8ts check` makes of machines as they should not be, and of this one. */
import { expect, test } from "vitest";
import type { Node } from "../objects/kinds.ts";
import { systemClock } from "../process/clock.ts";
import { judgeDisk } from "./disk-probe.ts";
import { findingsText } from "./finding.ts";
import { type MachineFacts, machineFacts } from "./machine-facts.ts";
import { judgeMachine } from "./machine-rules.ts";
import { judgeOverlay, probeOverlay } from "./overlay-probe.ts";
import { judgeSkew, probeServer } from "./server-probe.ts";

const GIB = 1024 ** 3;

const fine: MachineFacts = {
  linux: true,
  root: true,
  kernel: "6.1.0-18-amd64",
  hostName: "Worker-1",
  features: { bridge: true, veth: true, vxlan: true, nftables: true, overlayfs: true },
  bridgeFilter: true,
  seccomp: true,
  cgroups: { version: 2, controllers: ["cpuset", "cpu", "io", "memory", "pids"] },
  inotify: { instances: 8192, watches: 524_288 },
  openFiles: 1_048_576,
  pidMax: 4_194_304,
  disk: { kind: "ext4", freeBytes: 40 * GIB, bytes: 50 * GIB, options: ["rw", "relatime"] },
  mayLowerOomScore: true,
  nameServers: ["192.0.2.53"],
  resolvedServers: [],
  uplink: { device: "eth0", mtu: 1500 },
  forwardDropped: false,
  dockerUser: false,
};

test("a machine as it should be has nothing to be done", () => {
  expect(judgeMachine(fine).filter(({ state }) => state !== "good")).toEqual([]);
});

test.each<[name: string, state: string, advice: RegExp, change: Partial<MachineFacts>]>([
  ["system", "bad", /--simulated/, { linux: false }],
  ["user", "bad", /as root/, { root: false }],
  ["host name", "bad", /--node-name/, { hostName: "my_machine" }],
  ["host name", "poor", /--node-name/, { hostName: "localhost" }],
  ["overlayfs", "bad", /modprobe overlay/, { features: { ...fine.features, overlayfs: false } }],
  ["nftables", "bad", /modprobe nf_tables/, { features: { ...fine.features, nftables: false } }],
  ["vxlan", "poor", /modprobe vxlan/, { features: { ...fine.features, vxlan: false } }],
  ["nftables", "poor", /k8ts check/, { features: { ...fine.features, nftables: undefined } }],
  ["br_netfilter", "poor", /modprobe br_netfilter/, { bridgeFilter: false }],
  ["cgroups", "bad", /cgroup_enable=memory/, { cgroups: { version: 2, controllers: ["cpu", "pids"] } }],
  ["cgroups", "bad", /mount -t cgroup2/, { cgroups: { version: undefined, controllers: [] } }],
  ["inotify limits", "poor", /sysctl -w fs.inotify/, { inotify: { instances: 128, watches: 8_192 } }],
  ["open files", "poor", /ulimit -n/, { openFiles: 1_024 }],
  ["processes", "poor", /pid_max/, { pidMax: 4_096 }],
  ["data directory", "bad", /K8TS_HOME/, { disk: { ...fine.disk, kind: "overlayfs" } }],
  ["data directory", "bad", /K8TS_HOME/, { disk: { ...fine.disk, options: ["rw", "noexec"] } }],
  ["data directory", "poor", /reboot/, { disk: { ...fine.disk, kind: "tmpfs" } }],
  ["disk space", "bad", /evicts/, { disk: { ...fine.disk, freeBytes: 2 * GIB } }],
  ["name servers", "poor", /--resolv-conf/, { nameServers: ["127.0.0.53"] }],
  ["name servers", "good", /^$/, { nameServers: ["127.0.0.53"], resolvedServers: ["192.0.2.53"] }],
  ["uplink", "bad", /mtu/, { uplink: { device: "wg0", mtu: 1_280 } }],
  ["uplink", "poor", /--node-ip/, { uplink: undefined }],
  ["firewall", "bad", /FORWARD/, { forwardDropped: true }],
  ["firewall", "good", /^$/, { forwardDropped: true, dockerUser: true }],
])("%s: %s, with what to do", (name, state, advice, change) => {
  const found = judgeMachine({ ...fine, ...change }).find((one) => one.name === name);
  expect(found?.state).toBe(state);
  expect(found?.advice ?? "").toMatch(advice);
});

test.each([
  [[0.005, 0.006, 0.004], "poor", /faster than a disk/],
  [[0.4, 0.5, 9], "good", /0.50 ms/],
  [[80, 90, 400], "poor", /90.00 ms/],
] as const)("a disk whose fdatasync takes %s ms is %s", (times, state, found) => {
  expect(judgeDisk(times)).toMatchObject({ state, found: expect.stringMatching(found) });
});

test.each([
  [0, "good", /as the server's/],
  [900, "good", /as the server's/],
  [-20_000, "poor", /20 s ahead of/],
  [20_000, "poor", /20 s behind/],
  [400_000, "bad", /400 s behind/],
] as const)("a clock %s ms off is %s", (ms, state, found) => {
  expect(judgeSkew(ms)).toMatchObject({ state, found: expect.stringMatching(found) });
});

test.each([
  [{ small: true, large: true, itself: true }, "good", /1450 bytes/],
  [{ small: true, large: false, itself: true }, "bad", /lower their MTU/],
  [{ small: false, large: false, itself: true }, "bad", /tx-checksum-ip-generic off/],
  [{ small: false, large: false, itself: false }, "bad", /whether it runs/],
] as const)("another node seen as %j is %s", (seen, state, text) => {
  const found = judgeOverlay({ name: "two", mtu: 1450, ...seen });
  expect(found.state).toBe(state);
  expect(`${found.found} ${found.advice}`).toMatch(text);
});

test("a computer that is none of the nodes has no way to their Pods to look at", async () => {
  const addresses = [{ type: "InternalIP", address: "127.0.0.1" }];
  const metadata = { name: "node-1", uid: "1", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };
  const elsewhere: Node = {
    apiVersion: "v1",
    kind: "Node",
    metadata,
    spec: { podCIDR: "127.9.0.0/24" },
    status: { addresses },
  };
  expect(await probeOverlay({ nodes: [elsewhere], self: "computer", clock: systemClock })).toEqual([]);
});

test("a server that is not there is told with what to look at", async () => {
  const [found] = await probeServer("https://127.0.0.1:9", systemClock);
  expect(found).toMatchObject({ name: "server", state: "bad", advice: expect.stringContaining("firewall") });
});

test("this machine is looked at without a change", async () => {
  const findings = judgeMachine(await machineFacts("/nonexistent/home"));
  expect(findings).toHaveLength(judgeMachine(fine).length);
  expect(findingsText(findings).split("\n").length).toBeGreaterThanOrEqual(findings.length);
});
