/** PrioritySort: Pods of higher priority first, then those that became active first. */
import type { Plugin } from "../framework.ts";

export const prioritySort: Plugin = {
  name: "PrioritySort",
  queueSort(a, b) {
    const [first, second] = [a.pod.spec?.priority ?? 0, b.pod.spec?.priority ?? 0];
    return first === second ? a.order < b.order : first > second;
  },
};
