/**
 * DefaultTolerationSeconds: a Pod stays five minutes on a node that is not ready or unreachable,
 * unless it says otherwise.
 */
import type { Pod, Toleration } from "../../machinery/objects/kinds.ts";
import type { AdmissionPlugin } from "./contract.ts";

const TAINTS = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const SECONDS = 300;

export const defaultTolerationSeconds: AdmissionPlugin = {
  name: "DefaultTolerationSeconds",

  mutate({ operation, row, subresource, object }) {
    if (operation === "DELETE" || row.group !== "" || row.plural !== "pods" || subresource !== "") return;
    const { spec } = object as unknown as Pod;
    if (!spec) return;
    const given = spec.tolerations ?? [];
    const missing = TAINTS.filter((key) => !given.some((toleration) => tolerates(toleration, key)));
    if (missing.length === 0) return;
    const added = missing.map((key) => ({
      key,
      operator: "Exists",
      effect: "NoExecute",
      tolerationSeconds: SECONDS,
    }));
    spec.tolerations = [...given, ...added] as Toleration[];
  },
};

function tolerates({ key, effect }: Toleration, taint: string): boolean {
  return (!key || key === taint) && (!effect || effect === "NoExecute");
}
