/**
 * Storm: lets the plan's faults happen at their times, and mends everything at its end.
 */
import type { Fault } from "./faults.ts";
import type { Host } from "./host.ts";
import type { Nodes } from "./nodes.ts";
import type { SimulatedServer } from "./server.ts";
import { STORM_MS } from "./shape.ts";
import type { Trouble } from "./trouble.ts";
import type { ProcessClock } from "./virtual-time.ts";

export interface Target {
  readonly hosts: ReadonlyMap<string, Host>;
  readonly nodes: Nodes;
  readonly server: SimulatedServer;
  readonly trouble: Trouble;
  readonly compact: () => void;
  /** Somebody deletes the Node of a machine that is down. */
  readonly removeNode: (index: number) => void;
  readonly say: (text: string) => void;
}

/** Everything that lasts ends at the latest with the storm. */
export function startStorm(faults: readonly Fault[], clock: ProcessClock, target: Target): void {
  for (const fault of faults) clock.after(fault.at, () => happen(fault, clock, target));
  clock.after(STORM_MS, () => {
    target.say("the storm is over");
    target.trouble.end();
    for (const host of target.hosts.values()) if (host.skewMs !== 0) host.jump(-host.skewMs);
  });
}

function happen(fault: Fault, clock: ProcessClock, target: Target): void {
  const { hosts, nodes, server, trouble, compact, say } = target;
  const lasting = (ms: number, over: () => void) => clock.after(Math.min(ms, Math.max(STORM_MS - fault.at, 0)), over);
  switch (fault.kind) {
    case "pause":
      hosts.get(fault.process)?.pause(Math.min(fault.ms, Math.max(STORM_MS - fault.at, 0)));
      return;
    case "jump":
      hosts.get(fault.process)?.jump(fault.ms);
      return;
    case "compact":
      say("history is forgotten");
      compact();
      return;
    case "server":
      say("the server crashes");
      server.crash();
      lasting(fault.ms, () => {
        if (server.handler()) return;
        say("the server starts");
        void server.start();
      });
      return;
    case "silent":
      say(`node-${fault.node} is cut off`);
      nodes.silence(fault.node, true);
      lasting(fault.ms, () => {
        say(`node-${fault.node} is heard again`);
        nodes.silence(fault.node, false);
      });
      return;
    case "removed":
    case "dead":
      say(`node-${fault.node} goes down`);
      nodes.power(fault.node, false);
      if (fault.kind === "removed") target.removeNode(fault.node);
      lasting(fault.ms, () => {
        say(`node-${fault.node} boots`);
        nodes.power(fault.node, true);
      });
      return;
    default:
      say(`fault ${JSON.stringify(fault)}`);
      trouble.begin(fault);
  }
}
