/**
 * Policies process: a node's network policies in a network namespace of their own, without a cluster behind.
 *
 * 10,000 Pods, 110 of them on this node, and 100 policies that each mean Pods of all namespaces.
 */
import { nft } from "../../kubelet/network/nft.ts";
import { createClusterSets } from "../../kubelet/policy/cluster-sets.ts";
import type { PolicyPod } from "../../kubelet/policy/policy-pod.ts";
import { type PolicyRules, rulesOf } from "../../kubelet/policy/rules.ts";
import { change, replaceAll } from "../../kubelet/policy/script.ts";
import type { NetworkPolicy } from "../../machinery/objects/kinds.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { answerCommands } from "./child.ts";

const PODS = 10_000;
const OWN = 110;
const POLICIES = 100;
const NAMESPACES = 50;
const APPS = 20;

const sets = createClusterSets("one");
let applied: PolicyRules | undefined;

const pod = (index: number, app: number): PolicyPod => ({
  uid: `pod-${index}`,
  namespace: `ns-${index % NAMESPACES}`,
  nodeName: index < OWN ? "one" : "two",
  labels: { app: `app-${app % APPS}` },
  addresses: [`10.42.${index >> 8}.${index & 255}`],
  ports: [],
});

const policies = Array.from({ length: POLICIES }, (_, index): NetworkPolicy => {
  const podSelector = { matchLabels: { app: `app-${index % APPS}` } };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: {
      ...{ name: `policy-${index}`, namespace: `ns-${index % NAMESPACES}` },
      ...{ uid: String(index), resourceVersion: "1", creationTimestamp: "" },
    },
    spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [{ from: [{ namespaceSelector: {}, podSelector }] }] },
  };
});

for (let index = 0; index < NAMESPACES; index++) sets.setNamespace(`ns-${index}`, {});
for (let index = 0; index < PODS; index++) sets.setPod(String(index), pod(index, index));

/** Milliseconds until the kernel has what is asked for. */
async function apply(): Promise<number> {
  const start = clock.monotonic();
  const wanted = rulesOf({ policies, own: sets.own(), sets });
  await nft(applied ? change(applied, wanted, ["inet"]) : replaceAll(wanted, ["inet"]));
  applied = wanted;
  return clock.monotonic() - start;
}

answerCommands(
  {
    all(): Promise<number> {
      applied = undefined;
      return apply();
    },
    one(index: number): Promise<number> {
      const app = Number(sets.pod(String(index))?.labels["app"]?.slice("app-".length));
      sets.setPod(String(index), pod(index, app + 1));
      return apply();
    },
  },
  async () => undefined,
);
