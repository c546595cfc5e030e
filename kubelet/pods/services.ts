/**
 * Services of the kubelet: what everything that handles Pods is given. Types only.
 *
 * Built once per node by kubelet.ts; several nodes may live in one process, so nothing here is global.
 */
import type { Client } from "../../machinery/client/client.ts";
import type { EventRecorder } from "../../machinery/loop/controller.ts";
import type { Pod, Service } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { Runtime } from "../cri/contract.ts";
import type { HugePages } from "../huge-pages.ts";
import type { NodeNetwork } from "../network-contract.ts";
import type { Prober } from "../probes/attempt.ts";
import type { Probes } from "../probes/probes.ts";
import type { Refuses } from "../refusals.ts";
import type { Tokens } from "../volumes/tokens.ts";
import type { PodVolumes } from "../volumes/volumes.ts";
import type { Allocations } from "./allocations.ts";
import type { PodCgroups } from "./cgroups.ts";
import type { NodeFacts } from "./fields.ts";
import type { ImagePulls } from "./image-pulls.ts";
import type { RuntimeObserver } from "./observe.ts";
import type { PodPaths } from "./paths.ts";
import type { DnsSettings } from "./pod-dns.ts";
import type { References } from "./references.ts";
import type { SecuritySettings } from "./security.ts";
import type { StatusWriter } from "./status-writer.ts";
import type { UserNamespaces } from "./user-namespaces.ts";

/** What the node is, as Pods see it. */
export interface PodNode extends NodeFacts {
  readonly memoryBytes: number;
  readonly hugePages?: HugePages;
  /** Whether the runtime makes mounts read-only all the way down. */
  readonly recursiveReadOnly?: boolean;
}

export interface PodServices {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly events: EventRecorder;
  readonly cri: Runtime;
  readonly observer: RuntimeObserver;
  readonly statuses: StatusWriter;
  readonly images: ImagePulls;
  readonly volumes: PodVolumes;
  readonly tokens: Tokens;
  readonly references: References;
  readonly probes: Probes;
  readonly prober: Prober;
  readonly cgroups: PodCgroups;
  /** What this node has granted to which Pod. */
  readonly allocations: Allocations;
  readonly paths: PodPaths;
  readonly security: SecuritySettings;
  readonly userNamespaces: UserNamespaces;
  readonly dns: () => DnsSettings;
  readonly node: () => PodNode;
  /** Why this node does not take a Pod that it has never run; undefined when it does. */
  readonly refuses: Refuses;
  /** Why Pods cannot have a network yet; undefined when they can. */
  readonly networkProblem: () => string | undefined;
  readonly bindPod: NodeNetwork["bindPod"];
  /** Resolves once the node's Services are known; for a Pod that needs no API, with what is known. */
  readonly services: (pod: Pod) => Promise<readonly Service[]>;
  /** The host's own /etc/hosts. */
  readonly hostHosts: () => Promise<string>;
}
