/**
 * Network policy: keeps nftables equal to the NetworkPolicies that bind Pods of this node.
 *
 * Changes are gathered for a moment and applied as one transaction; a failed one is followed by whole new
 * tables. What it wrote stays when it ends, so that nothing is let through while the agent restarts. A new Pod
 * is bound before its first container starts: the kubelet waits at the gate (gate.ts). Without policies there are
 * no tables and no watches.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Client } from "../../machinery/client/client.ts";
import type { Informer } from "../../machinery/client/informer.ts";
import type { Informers } from "../../machinery/client/shared-informers.ts";
import type { NetworkPolicy } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { nft, ownTables } from "../network/nft.ts";
import { type ClusterPods, watchClusterPods } from "./cluster-pods.ts";
import type { PolicyGate } from "./gate.ts";
import { noRules, type PolicyRules, rulesOf } from "./rules.ts";
import { change, type Family, removeAll, replaceAll, TABLE } from "./script.ts";

export interface NetworkPolicyOptions {
  readonly client: Client;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly nodeName: string;
  readonly gate: PolicyGate;
}

const GATHER_MS = 20;
const RETRY_MS = { first: 500, last: 30_000 };
/** How often it is noticed that somebody took the tables away. */
const LOOK_MS = 60_000;

/** What the kernel has; undefined where that is not known. */
interface Applied {
  readonly rules: PolicyRules;
  readonly families: readonly Family[];
}

/** Resolves when the signal aborts. */
export async function runNetworkPolicy(options: NetworkPolicyOptions): Promise<void> {
  const { informers, clock, log, signal, gate } = options;
  const policies = informers.of("networkpolicies");
  let wake = Promise.withResolvers<void>();
  const rouse = () => wake.resolve();
  const stop = [policies.subscribe(rouse), gate.onArrival(rouse)];
  signal.addEventListener("abort", rouse, { once: true });

  const watched: { cluster: ClusterPods | undefined } = { cluster: undefined };
  let applied: Applied | undefined;
  let delay = RETRY_MS.first;
  try {
    await policies.synced(signal);
    while (!signal.aborted) {
      wake = Promise.withResolvers();
      const looking = policies.list().length
        ? clock.after(LOOK_MS, () => void missing(log).then((gone) => gone && lost()), { background: true })
        : undefined;
      try {
        applied = await converge(options, policies, watched, applied, rouse);
        delay = RETRY_MS.first;
      } catch (error) {
        if (signal.aborted) break;
        log.error("network policies could not be applied", { error });
        applied = undefined;
        looking?.cancel();
        await clock.sleep(delay, signal);
        delay = Math.min(delay * 2, RETRY_MS.last);
        continue;
      }
      await wake.promise;
      looking?.cancel();
      if (!gate.waiting()) await clock.sleep(GATHER_MS, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    watched.cluster?.stop();
    for (const unsubscribe of stop) unsubscribe();
    gate.close();
  }

  function lost(): void {
    log.warn("the tables of network policies are gone: written again");
    applied = undefined;
    rouse();
  }
}

/** Brings the kernel to what is asked for now; returns what it has then. */
async function converge(
  options: NetworkPolicyOptions,
  policies: Informer<NetworkPolicy>,
  watched: { cluster: ClusterPods | undefined },
  applied: Applied | undefined,
  rouse: () => void,
): Promise<Applied> {
  const { client, clock, log, signal, nodeName, gate } = options;
  if (!policies.list().length) {
    watched.cluster?.stop();
    watched.cluster = undefined;
    if (!applied || applied.families.length) await removeTables();
    gate.open();
    return { rules: noRules, families: [] };
  }
  const { transport } = client;
  watched.cluster ??= watchClusterPods({ transport, clock, log, signal, nodeName, onChange: rouse });
  const { sets, synced } = watched.cluster;
  await synced;
  const arrived = gate.arrivals(sets.pod);
  const wanted = rulesOf({ policies: policies.list(), own: [...sets.own(), ...arrived.pods], sets });
  sets.forgetUnused();
  const families = applied?.families.length ? applied.families : await familiesNeeded(log);
  const script = applied?.families.length ? change(applied.rules, wanted, families) : replaceAll(wanted, families);
  if (script) await nft(script);
  if (!applied?.families.length) log.info("network policies applied", { policies: policies.list().length });
  arrived.bound();
  return { rules: wanted, families };
}

/** A table of a run before may be there. */
async function removeTables(): Promise<void> {
  const tables = await ownTables();
  if (tables.some((table) => table.endsWith(` ${TABLE}`))) await nft(removeAll());
}

async function missing(log: Logger): Promise<boolean> {
  try {
    return !(await ownTables()).includes(`inet ${TABLE}`);
  } catch (error) {
    log.warn("the tables of network policies could not be looked at", { error });
    return false;
  }
}

/**
 * With br_netfilter, packets between Pods of one bridge pass the IP hooks like all others. Without, the bridge
 * needs rules of its own, and a kernel that follows connections there.
 */
async function familiesNeeded(log: Logger): Promise<readonly Family[]> {
  if (BRIDGED.every(switchedOn)) return ["inet"];
  try {
    await nft(replaceAll(noRules, ["bridge"]));
    return ["inet", "bridge"];
  } catch (error) {
    log.error("network policies do not bind Pods of one node towards each other: load the module br_netfilter", {
      error,
    });
    return ["inet"];
  }
}

const BRIDGED = ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] as const;

function switchedOn(name: string): boolean {
  const file = `/proc/sys/net/bridge/${name}`;
  try {
    if (readFileSync(file, "utf8").trim() !== "1") writeFileSync(file, "1");
    return true;
  } catch {
    return false; // no br_netfilter
  }
}
