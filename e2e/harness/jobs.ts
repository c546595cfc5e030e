/**
 * Jobs: the one Job of a test, default/work, made and asked how it stands.
 */
import type { Job } from "../../machinery/objects/kinds.ts";
import type { Controlled } from "./controlled.ts";

type Spec = NonNullable<Job["spec"]>;

export const WORK = { namespace: "default", name: "work" };

export function workIn(cluster: () => Controlled) {
  const job = () => cluster().client.get("jobs", WORK);
  const status = async () => (await job()).status;
  return {
    job,
    status,
    /** Its container is called main. Resolves when nothing is left to do. */
    async create(spec: Partial<Spec>, restartPolicy = "Never"): Promise<void> {
      const template = { spec: { restartPolicy, containers: [{ name: "main", image: "a:1" }] } };
      await cluster().create("jobs", { metadata: WORK, spec: { template, ...spec } });
      await cluster().settled();
    },
    /** Those that hold: "Complete CompletionsReached: Reached expected …". */
    async conditions(): Promise<string[]> {
      const all = (await status())?.conditions ?? [];
      const holding = all.filter((one) => one.status === "True");
      return holding.map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
    },
  };
}
