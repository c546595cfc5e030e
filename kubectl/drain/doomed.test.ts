/** Doomed: which Pods a drain takes, by what they are and what the line allows. */
import { expect, test } from "vitest";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { type DrainRules, doomedPods } from "./doomed.ts";

const NOW = Date.parse("2026-01-01T00:10:00Z");

function pod(name: string, more: { metadata?: object; spec?: object; phase?: string } = {}): Pod {
  const owner = { kind: "ReplicaSet", name: "web", uid: "1", apiVersion: "apps/v1", controller: true };
  const metadata = { name, namespace: "default", uid: name, creationTimestamp: "", ownerReferences: [owner] };
  return {
    metadata: { ...metadata, ...more.metadata },
    spec: { containers: [], ...more.spec },
    status: { phase: more.phase ?? "Running" },
  } as unknown as Pod;
}

const of = (kind: string) => ({
  ownerReferences: [{ kind, name: "d", uid: "1", apiVersion: "apps/v1", controller: true }],
});
const bare = { ownerReferences: [] };
const data = { volumes: [{ name: "v", emptyDir: {} }] };

const rules = (more: Partial<DrainRules> = {}): DrainRules => ({
  force: false,
  ignoreDaemonSets: false,
  deleteEmptyDirData: false,
  skipGoingMs: 0,
  now: NOW,
  daemonSetTrouble: () => undefined,
  ...more,
});

const UNMANAGED = "cannot delete cannot delete Pods that declare no controller (use --force to override): default/a";
const LOCAL = "cannot delete Pods with local storage (use --delete-emptydir-data to override): default/a";
const DAEMON = "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): default/a";
const going = { deletionTimestamp: "2026-01-01T00:00:00Z" };

test.each<{ name: string; pod: Pod; rules?: Partial<DrainRules>; goes: boolean; warning?: string; error?: string }>([
  { name: "one of a ReplicaSet goes", pod: pod("a"), goes: true },
  { name: "one without a controller forbids it", pod: pod("a", { metadata: bare }), goes: false, error: UNMANAGED },
  {
    name: "one without a controller goes by force",
    pod: pod("a", { metadata: bare }),
    rules: { force: true },
    goes: true,
    warning: "deleting Pods that declare no controller: default/a",
  },
  { name: "one that has ended goes without one", pod: pod("a", { metadata: bare, phase: "Succeeded" }), goes: true },
  { name: "local data forbids it", pod: pod("a", { spec: data }), goes: false, error: LOCAL },
  {
    name: "local data may be given up",
    pod: pod("a", { spec: data }),
    rules: { deleteEmptyDirData: true },
    goes: true,
  },
  { name: "one of a DaemonSet forbids it", pod: pod("a", { metadata: of("DaemonSet") }), goes: false, error: DAEMON },
  {
    name: "one of a DaemonSet stays where those are ignored",
    pod: pod("a", { metadata: of("DaemonSet") }),
    rules: { ignoreDaemonSets: true },
    goes: false,
    warning: "ignoring DaemonSet-managed Pods: default/a",
  },
  {
    name: "one whose DaemonSet is gone goes by force",
    pod: pod("a", { metadata: of("DaemonSet") }),
    rules: { force: true, daemonSetTrouble: () => ({ message: "gone", missing: true }) },
    goes: true,
  },
  {
    name: "a mirror Pod stays",
    pod: pod("a", { metadata: { annotations: { "kubernetes.io/config.mirror": "x" } } }),
    goes: false,
  },
  {
    name: "one long on its way is left out",
    pod: pod("a", { metadata: going }),
    rules: { skipGoingMs: 1000 },
    goes: false,
  },
  { name: "one on its way is waited for", pod: pod("a", { metadata: going }), goes: true },
])("$name", ({ pod: one, rules: more, goes, warning = "", error }) => {
  const doomed = doomedPods([one], rules(more));
  expect(doomed.pods.length === 1).toBe(goes);
  expect(doomed.warning).toBe(warning);
  expect(doomed.errors).toEqual(error === undefined ? [] : [error]);
});
