/**
 * ServiceAccount: every Pod has an account, and a token of it mounted unless someone said no.
 *
 * The token is a projected volume bound to the Pod (request/token-request.ts issues it); a secret with
 * a token is never made.
 */
import type { Container, Pod, PodSpec, ServiceAccount, Volume } from "../../machinery/objects/kinds.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import { generatedName } from "../request/metadata.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from "./contract.ts";
import { refused } from "./refused.ts";

const MIRROR = "kubernetes.io/config.mirror";
export const TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";
/** A little more than an hour, so that kubelets can tell that this plugin chose it. */
const TOKEN_SECONDS = 3607;

export const serviceAccount: AdmissionPlugin = {
  name: "ServiceAccount",

  mutate(request, services) {
    const { operation, row, subresource, namespace } = request;
    if (operation !== "CREATE" || row.group !== "" || row.plural !== "pods" || subresource !== "") return undefined;
    const pod = request.object as unknown as Pod;
    const { spec } = pod;
    if (!spec || pod.metadata.annotations?.[MIRROR] !== undefined) return undefined;

    const name = spec.serviceAccountName || spec.serviceAccount || "default";
    spec.serviceAccountName = name;
    spec.serviceAccount = name;
    const found = services.objects.get("serviceaccounts", namespace, name);
    if (found) return useAccount(request, spec, found, services);
    return services
      .read("serviceaccounts", namespace, name)
      .then((stored) => useAccount(request, spec, stored, services));
  },
};

function useAccount(
  request: AdmissionRequest,
  spec: PodSpec,
  found: StoredObject | undefined,
  services: AdmissionServices,
): void {
  const account = found as ServiceAccount | undefined;
  if (!account)
    throw refused(
      request,
      `error looking up service account ${request.namespace}/${spec.serviceAccountName}: serviceaccount "${spec.serviceAccountName}" not found`,
    );
  if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length)
    spec.imagePullSecrets = account.imagePullSecrets.map(({ name }) => (name === undefined ? {} : { name }));
  if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(spec, services);
}

function mountToken(spec: PodSpec, { clock }: AdmissionServices): void {
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? [])] as Container[];
  const without = containers.filter(
    ({ volumeMounts = [] }) => !volumeMounts.some(({ mountPath }) => mountPath === TOKEN_DIRECTORY),
  );
  if (without.length === 0) return;
  const existing = spec.volumes?.find(({ name }) => name?.startsWith("kube-api-access-"));
  const name = existing?.name ?? generatedName(clock, "kube-api-access-");
  if (!existing) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
  for (const container of without)
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath: TOKEN_DIRECTORY }];
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: "token" } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        {
          downwardAPI: {
            items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
          },
        },
      ],
    },
  };
}
