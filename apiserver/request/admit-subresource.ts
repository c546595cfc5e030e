/**
 * Admit subresource: the plugins' say about what is created under an object: a token, an eviction, a binding.
 */
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { ResourceExchange } from "./contract.ts";

export async function admitSubresource(
  { server, row, user, info, warnings, annotate }: ResourceExchange,
  { subresource, name, object, dryRun }: { subresource: string; name: string; object: KubeObject; dryRun: boolean },
): Promise<void> {
  const { namespace } = info;
  const asked = { row, subresource, namespace, name, object, user, dryRun, warnings, annotate };
  const request = { operation: "CREATE", ...asked } as const;
  await server.admission.mutate(request);
  await server.admission.validate(request);
}
