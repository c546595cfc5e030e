/** Plans for tests: what is given beside a plain Pod, and actions in words. */

import type { Pod } from "../../machinery/objects/kinds.ts";
import { resizable } from "./allocation.ts";
import type { Backoff } from "./backoff.ts";
import { plan } from "./plan.ts";
import type { Action, PlanInput } from "./plan-draft.ts";
import { aPod, NOW, runtimeOf } from "./pod.fixture.ts";
import { noProbes, type ProbeResults } from "./probe-results.ts";
import type { Resize, Sizes } from "./resize-plan.ts";
import { podLimits } from "./resources.ts";

export type Given = Partial<Omit<PlanInput, "probes" | "busy" | "backoffs" | "retryAt">> & {
  readonly probes?: Readonly<Record<string, Partial<ProbeResults>>>;
  readonly busy?: readonly string[];
  readonly backoffs?: Readonly<Record<string, Backoff>>;
  readonly retryAt?: Readonly<Record<string, number>>;
};

export const planned = ({ probes = {}, busy = [], backoffs = {}, retryAt = {}, ...given }: Given) =>
  plan({
    pod: aPod(),
    runtime: runtimeOf([]),
    now: NOW,
    ending: undefined,
    sizes: asAsked(given.pod ?? aPod()),
    replaced: new Set<string>(),
    ...given,
    probes: (id) => ({ ...noProbes, ...probes[id] }),
    busy: new Set(busy),
    backoffs: new Map(Object.entries(backoffs)),
    retryAt: new Map(Object.entries(retryAt)),
  });

/** "start main #1", "kill main (liveness)", "create-sandbox #0", "stop-sandbox sandbox-0". */
export const words = (action: Action): string => {
  if (action.kind === "start")
    return `start ${action.container.name} #${action.attempt}${action.created ? " as it was created" : ""}`;
  if (action.kind === "kill")
    return `kill ${action.record.name} (${action.cause}${action.grace === undefined ? "" : ` ${action.grace}s`})`;
  if (action.kind === "resize") return resizeWords(action.resize);
  return action.kind === "create-sandbox" ? `create-sandbox #${action.attempt}` : `stop-sandbox ${action.id}`;
};

const resizeWords = ({ grown, updates, final }: Resize): string =>
  ["resize", grown && "grow", ...updates.map(({ record }) => record.name), final && "settle"].filter(Boolean).join(" ");

/** Everything has what it asks for. */
export const asAsked = (pod: Pod): Sizes => ({
  of: ({ name }) => resizable(pod).find((one) => one.name === name)?.resources ?? {},
  pod: podLimits(pod),
  whole: pod.spec?.resources,
});

/** What one plan should say. */
export interface Case {
  readonly name: string;
  readonly given: Given;
  readonly actions: readonly string[];
  readonly finished?: boolean;
  readonly stopped?: boolean;
}

export function outcome(given: Given) {
  const { actions, finished, stopped } = planned(given);
  return { actions: actions.map(words), finished, stopped };
}
