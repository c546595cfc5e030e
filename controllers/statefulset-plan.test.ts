/** What a StatefulSet does next: each letter is a Pod by its ordinal, each step a word. */
import { expect, it } from "vitest";
import type { ControllerRevision, Pod, StatefulSet } from "../machinery/objects/kinds.ts";
import { planOf } from "./statefulset-plan.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" });

function revision(name: string): ControllerRevision {
  const data = { spec: { template: { spec: { containers: [] } } } };
  return { apiVersion: "apps/v1", kind: "ControllerRevision", metadata: meta(name), revision: 1, data };
}

/** Lower case: of the old revision; upper case: of the new one. */
const STATES: Readonly<Record<string, Partial<{ ready: boolean; leaving: boolean; phase: string }>>> = {
  a: { ready: true },
  b: { ready: false },
  l: { ready: true, leaving: true },
  f: { phase: "Failed" },
  p: { phase: "Pending" },
};

/** "aB-": an available old Pod 0, a broken new Pod 1, no Pod 2. */
function podsOf(text: string): Pod[] {
  return [...text].flatMap((letter, ordinal): Pod[] => {
    const state = STATES[letter.toLowerCase()];
    if (!state) return [];
    const { ready = false, leaving = false, phase = "Running" } = state;
    const name = `web-${ordinal}`;
    const labels = {
      "controller-revision-hash": letter === letter.toLowerCase() ? "old" : "new",
      "statefulset.kubernetes.io/pod-name": name,
    };
    const conditions = [{ type: "Ready", status: ready ? "True" : "False" }];
    return [
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { ...meta(name), labels, ...(leaving ? { deletionTimestamp: "2026-01-01T12:00:00Z" } : {}) },
        status: { phase, conditions },
      },
    ];
  });
}

interface Case {
  readonly replicas?: number;
  readonly start?: number;
  readonly parallel?: true;
  readonly partition?: number;
  readonly maxUnavailable?: number | string;
  readonly onDelete?: true;
}

function steps(text: string, { replicas = text.length, start, ...rest }: Case = {}): string {
  const { parallel, partition = 0, maxUnavailable, onDelete } = rest;
  const rollingUpdate = { partition, ...(maxUnavailable === undefined ? {} : { maxUnavailable }) };
  const set = {
    metadata: meta("web"),
    spec: {
      replicas,
      ...(start === undefined ? {} : { ordinals: { start } }),
      podManagementPolicy: parallel ? "Parallel" : "OrderedReady",
      updateStrategy: onDelete ? { type: "OnDelete" } : { type: "RollingUpdate", rollingUpdate },
    },
  } as unknown as StatefulSet;
  return planOf({ set, pods: podsOf(text), current: revision("old"), update: revision("new"), now: NOW })
    .map((step) => {
      if (step.do === "create") return `create-${step.ordinal}-${step.revision.metadata.name}`;
      return `${step.do}-${step.pod.metadata.name.slice(4)}`;
    })
    .join(" ");
}

it.each<[string, string, Case | undefined, string]>([
  ["makes the first", "---", undefined, "create-0-new"],
  ["makes all at once", "---", { parallel: true }, "create-0-new create-1-new create-2-new"],
  ["waits for one that is not ready", "AB-", undefined, ""],
  ["does not wait", "AB-", { parallel: true }, "create-2-new"],
  ["makes claims for one that waits for them", "AP-", undefined, "claims-1"],
  ["waits for one on its way out", "AL-", undefined, ""],
  ["deletes what has ended", "AFA", undefined, "delete-1"],
  ["shrinks from above", "AAAA", { replicas: 2 }, "delete-3"],
  ["shrinks at once", "AAAA", { replicas: 2, parallel: true }, "delete-3 delete-2"],
  ["shrinks no further while one is on its way out", "AAAL", { replicas: 2 }, ""],
  ["takes a healthy one from above one that is not", "AABA", { replicas: 2 }, "delete-3"],
  ["lets a broken one wait for a lower broken one", "AABB", { replicas: 2 }, ""],
  ["deletes the lowest broken one itself", "AAAB", { replicas: 2 }, "delete-3"],
  ["shrinks nothing while a replica is not ready", "ABAA", { replicas: 2 }, ""],
  ["moves up", "AA-", { replicas: 2, start: 1 }, "create-2-new"],
  ["then leaves what is below", "AAA", { replicas: 2, start: 1 }, "delete-0"],
  ["rolls the highest", "aaa", undefined, "delete-2"],
  ["rolls on", "aaA", undefined, "delete-1"],
  ["stops at one that does not get ready", "aaB", undefined, ""],
  ["stops at the partition", "aaA", { partition: 2 }, ""],
  ["makes below the partition what was there", "-aA", { partition: 2 }, "create-0-old"],
  ["makes above the partition what is wanted", "aa-", { partition: 2 }, "create-2-new"],
  ["rolls nothing", "aaa", { onDelete: true }, ""],
  ["makes what is wanted though nothing rolls", "a-a", { onDelete: true }, "create-1-new"],
  ["rolls several", "aaaa", { maxUnavailable: 2 }, "delete-3 delete-2"],
  ["rolls a share, at least one", "aaaa", { maxUnavailable: "10%" }, "delete-3"],
  ["counts what is down", "aaaB", { parallel: true, maxUnavailable: 2 }, "delete-2"],
  ["rolls what is broken first", "baaa", { parallel: true }, "delete-0"],
  ["rolls what is broken, and no more than that", "bbbb", { parallel: true, maxUnavailable: 2 }, "delete-3 delete-2"],
  ["is not held up by what is broken below the partition", "baa", { parallel: true, partition: 1 }, "delete-2"],
  ["is held up by what is missing", "-aa", { parallel: true }, "create-0-new"],
])("a StatefulSet %s: %s", (_what, pods, options, expected) => {
  expect(steps(pods, options)).toBe(expected);
});
