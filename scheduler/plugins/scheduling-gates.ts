/** SchedulingGates: a Pod with gates waits until somebody has removed them all. */
import { type Plugin, refusedForGood } from "../framework.ts";

export const schedulingGates: Plugin = {
  name: "SchedulingGates",
  preEnqueue({ spec }) {
    const gates = spec?.schedulingGates ?? [];
    if (gates.length === 0) return undefined;
    return refusedForGood(`waiting for scheduling gates: [${gates.map(({ name }) => name).join(" ")}]`);
  },
};
