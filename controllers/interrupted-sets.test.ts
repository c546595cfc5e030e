/**
 * Interrupted sets: what holds of StatefulSets and DaemonSets at every revision while answers are lost, watches lag
 * and controllers are killed between any two writes. The same of Deployments and Jobs: interrupted.test.ts.
 */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, type ControlledOptions, startControlled } from "../e2e/harness/controlled.ts";
import {
  atEveryRevision,
  doom,
  type Fault,
  fateOf,
  faulty,
  mortal,
  rebirth,
  sleep,
  troubles,
} from "../e2e/harness/faulty.ts";
import type { Pod } from "../machinery/objects/kinds.ts";
import { isActive, isReady } from "./pod-state.ts";

let cluster: Controlled;
let ending: AbortController;
afterEach(async () => {
  ending.abort();
  await cluster.close();
});

const REPLICAS = 4;
const ref = { namespace: "default", name: "web" };
const labels = { app: "web" };
const template = (image: string) => ({ metadata: { labels }, spec: { containers: [{ name: "c", image }] } });
const where = ({ spec }: Pod) =>
  spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms[0]?.matchFields?.[0]
    ?.values?.[0] ?? "";

/** What was true at some revision since the last `reset`. */
interface Seen {
  fewestReady: number;
  most: number;
  /** Most Pods that were not on their way out, of one node. */
  mostOnNode: number;
  reset(): void;
}

async function start(options: ControlledOptions = {}): Promise<Seen> {
  cluster = await startControlled(options);
  ending = new AbortController();
  for (let n = 2; n <= REPLICAS; n++) await cluster.create("nodes", { metadata: { name: `n${n}` } });
  const seen: Seen = {
    fewestReady: 0,
    most: 0,
    mostOnNode: 0,
    reset() {
      this.fewestReady = Number.POSITIVE_INFINITY;
      this.most = 0;
      this.mostOnNode = 0;
    },
  };
  atEveryRevision(cluster, ending.signal, isActive, (pods) => {
    const nodes = Map.groupBy(pods, where);
    seen.most = Math.max(seen.most, pods.length);
    seen.fewestReady = Math.min(seen.fewestReady, pods.filter(isReady).length);
    seen.mostOnNode = Math.max(seen.mostOnNode, ...[...nodes.values()].map((there) => there.length));
  });
  return seen;
}

type Resource = "statefulsets" | "daemonsets";

const rolling = (rollingUpdate: object) => ({ updateStrategy: { type: "RollingUpdate", rollingUpdate } });

const make = (resource: Resource, spec: object) =>
  cluster.create(resource, {
    metadata: ref,
    spec: { selector: { matchLabels: labels }, template: template("a:1"), ...spec },
  } as never);
const setImage = (resource: Resource, image: string) =>
  cluster.client.patch(resource, ref, { spec: { template: template(image) } });
const alive = async () => (await cluster.list("pods")).filter(isActive);
const runsOnly = (image: string) =>
  expect
    .poll(async () => (await alive()).filter(isReady).map(({ spec }) => spec?.containers[0]?.image), {
      timeout: 20_000,
    })
    .toEqual(Array(REPLICAS).fill(image));

interface Case {
  readonly name: string;
  readonly resource: Resource;
  readonly spec: object;
  readonly fewestReady: number;
  readonly mostOnNode: number;
}

const CASES: readonly Case[] = [
  {
    name: "a StatefulSet in order",
    resource: "statefulsets",
    spec: { replicas: REPLICAS },
    fewestReady: REPLICAS - 1,
    mostOnNode: REPLICAS,
  },
  {
    name: "a parallel StatefulSet",
    resource: "statefulsets",
    spec: { replicas: REPLICAS, podManagementPolicy: "Parallel", ...rolling({ maxUnavailable: 2 }) },
    fewestReady: REPLICAS - 2,
    mostOnNode: REPLICAS,
  },
  { name: "a DaemonSet", resource: "daemonsets", spec: {}, fewestReady: REPLICAS - 1, mostOnNode: 1 },
  {
    name: "a DaemonSet that surges",
    resource: "daemonsets",
    spec: rolling({ maxSurge: 1, maxUnavailable: 0 }),
    fewestReady: REPLICAS,
    mostOnNode: 2,
  },
];

describe.each(CASES)("$name", ({ resource, spec, fewestReady, mostOnNode }) => {
  const settle = async (seen: Seen) => {
    await make(resource, spec);
    await runsOnly("a:1");
    await sleep(100);
    seen.reset();
  };
  const holds = (seen: Seen) => {
    expect(seen.fewestReady).toBeGreaterThanOrEqual(fewestReady);
    expect(seen.mostOnNode).toBeLessThanOrEqual(mostOnNode);
  };

  it.each<Fault>(["refused", "answer lost"])(
    "whose controller is killed at any write of a rollout, with it %s, stays between its fences",
    async (how) => {
      const fate = fateOf(how);
      const seen = await start({ between: mortal(fate, 5) });
      await settle(seen);
      for (let write = 1; write <= 10; write++) {
        doom(fate, write);
        await setImage(resource, `b:${write}`);
        await rebirth(fate, cluster, 3_000);
        await runsOnly(`b:${write}`);
      }
      holds(seen);
    },
    120_000,
  );

  it.each([1, 2])(
    "stays between its fences while answers are lost and it changes its mind (seed %i)",
    async (seed) => {
      const trouble = troubles(seed);
      const { next } = trouble;
      const seen = await start({
        between: (transport) =>
          faulty(
            transport,
            () => next() * 30,
            () => trouble.fault(),
          ),
      });
      await settle(seen);
      trouble.on = true;
      for (let round = 0; round < 10; round++) {
        await setImage(resource, `a:${1 + Math.floor(next() * 3)}`);
        await sleep(next() * 300);
      }
      trouble.on = false;
      await setImage(resource, "a:9");
      await runsOnly("a:9");
      holds(seen);
    },
    60_000,
  );
});
