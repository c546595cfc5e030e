import { expect, test } from "vitest";
import { nodeDraft, podDraft, startScheduled } from "../e2e/harness/scheduled.ts";
import type { PodSpec } from "../machinery/objects/kinds.ts";
import { systemClock } from "../machinery/process/clock.ts";

const NODES = 100;
const PODS = 1_000;
const ZONE = "topology.kubernetes.io/zone";
const web = { matchLabels: { app: "web" } };

/** What the Pods say, and what must hold of the numbers of them on each node in the end. */
test.each<readonly [string, Partial<PodSpec>, (perNode: readonly number[]) => boolean]>([
  ["plain", {}, (perNode) => Math.max(...perNode) <= 12],
  [
    "spread over zones and nodes",
    {
      topologySpreadConstraints: [ZONE, "kubernetes.io/hostname"].map((topologyKey) => ({
        topologyKey,
        maxSkew: 1,
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: web,
      })),
    },
    (perNode) => perNode.every((count) => count === 10),
  ],
  [
    "preferring to be apart",
    {
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 100, podAffinityTerm: { labelSelector: web, topologyKey: "kubernetes.io/hostname" } },
          ],
        },
      },
    },
    (perNode) => Math.max(...perNode) <= 12,
  ],
])(`${PODS} Pods on ${NODES} nodes, %s`, { timeout: 120_000 }, async (what, spec, holds) => {
  const nodes = Array.from({ length: NODES }, (_, n) => nodeDraft(`n${n}`, "32", { [ZONE]: `z${n % 4}` }));
  const scheduled = await startScheduled(...nodes);
  for (let n = 0; n < PODS; n++) await scheduled.client.create("pods", podDraft(`p${n}`, spec, web.matchLabels));

  const started = performance.now();
  let longest = 0;
  scheduled.run();
  for (let waiting = PODS; waiting > 0; ) {
    const before = performance.now();
    await systemClock.sleep(5);
    longest = Math.max(longest, performance.now() - before - 5);
    const [first] = (await scheduled.client.list("pods", { fieldSelector: "spec.nodeName=", limit: 1 })).items;
    waiting = first ? waiting : 0;
  }
  const seconds = (performance.now() - started) / 1_000;
  console.log(`${what}: ${Math.round(PODS / seconds)} pods/s; others waited ${Math.round(longest)} ms at most`);

  const counts = new Map<string, number>(nodes.map(({ metadata }) => [metadata.name ?? "", 0]));
  for (const { spec: bound } of (await scheduled.client.list("pods")).items)
    counts.set(bound?.nodeName ?? "none", (counts.get(bound?.nodeName ?? "none") ?? 0) + 1);
  expect(counts.get("none")).toBeUndefined();
  expect([...counts.values()]).toSatisfy(holds);
  await scheduled.close();
});
