/**
 * Leaders: who does not hold the lease of its kind sends no write.
 *
 * Looked at where a write leaves its process: what is on its way may be overtaken, and no fence can help that.
 */
import type { Objects } from "./objects.ts";
import type { Shape } from "./shape.ts";

const LEASES: Readonly<Record<string, string>> = {
  controllers: "kube-controller-manager",
  scheduler: "kube-scheduler",
};

export function createLeaders(
  { candidates }: Shape,
  objects: Objects,
  broke: (promise: string, problem: string) => void,
): (name: string, life: number, path: string) => void {
  return (name, life, path) => {
    const lease = LEASES[name.split("-")[0] ?? ""];
    if (candidates < 2 || !lease || path.includes("/leases")) return;
    const holder = objects.get("leases", "kube-system", lease)?.spec?.holderIdentity;
    if (holder !== `${name}-${life}`) broke("leaders", `${name} writes ${path} while ${holder || "nobody"} leads`);
  };
}
