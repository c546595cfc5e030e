/**
 * Manifest: from the text of a file to the Pod that it describes, as this node runs it. Pure.
 *
 * The API server does not see this Pod before it runs, so what that would refuse or fill in is done here, as far as
 * it changes what runs. It may refer to nothing in the API, for it must run without: FORBIDDEN. Its uid is the hash of
 * node and content, so that a kubelet that starts again knows its containers, and a file that changed is another Pod.
 * https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/
 */
import { createHash } from "node:crypto";
import type { Container, Pod, Volume } from "../../machinery/objects/kinds.ts";
import { dns1123Label, dns1123Subdomain } from "../../machinery/objects/names.ts";
import { readOneYaml } from "../../machinery/yaml.ts";
import { withDefaults } from "./defaults.ts";
import { HASH, MIRROR, SEEN, SOURCE } from "./marks.ts";

export interface ManifestFacts {
  readonly nodeName: string;
  /** When the file was first seen, in the wire's form. */
  readonly seenAt: string;
  /** Default: a file. */
  readonly source?: "file" | "http";
}

/** Throws an error that says what is wrong with the file. */
export function podFromManifest(text: string, facts: ManifestFacts): Pod {
  return podFrom(readOneYaml(text), facts);
}

/** The same, of what has been read. */
export function podFrom(value: unknown, { nodeName, seenAt, source = "file" }: ManifestFacts): Pod {
  const given = value as Partial<Pod> | undefined;
  if (given?.kind !== "Pod" || given.apiVersion !== "v1") {
    throw new Error(
      `a static Pod's file holds one Pod of v1, not ${given?.kind ?? "nothing"} ${given?.apiVersion ?? ""}`,
    );
  }
  const { name: plainName = "", namespace = "default", labels, annotations } = given.metadata ?? {};
  const spec = given.spec;
  const name = `${plainName}-${nodeName}`;
  const problem = problemOf(name, plainName, namespace, spec);
  if (problem || !spec) throw new Error(problem);
  const uid = createHash("md5").update(JSON.stringify([nodeName, plainName, namespace, labels, annotations, spec]));
  const hash = uid.digest("hex");
  const { [MIRROR]: _mirror, ...own } = annotations ?? {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace,
      uid: hash,
      resourceVersion: "",
      creationTimestamp: seenAt,
      ...(labels ? { labels } : {}),
      annotations: { ...own, [HASH]: hash, [SEEN]: seenAt, [SOURCE]: source },
    },
    spec: withDefaults(spec, nodeName),
    status: { phase: "Pending" },
  };
}

function problemOf(name: string, plainName: string, namespace: string, spec: Pod["spec"]): string | undefined {
  const [badName] = plainName === "" ? ["must be set"] : dns1123Subdomain(name);
  if (badName) return `metadata.name: ${badName}`;
  const [badNamespace] = dns1123Label(namespace);
  if (badNamespace) return `metadata.namespace: ${badNamespace}`;
  if (!spec?.containers?.length) return "spec.containers: at least one container is needed";
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  return containerProblem(containers) ?? referenceProblem(spec, containers);
}

function containerProblem(containers: readonly Container[]): string | undefined {
  const names = new Set<string>();
  for (const { name = "", image } of containers) {
    const [badName] = dns1123Label(name);
    if (badName) return `the name of container ${JSON.stringify(name)}: ${badName}`;
    if (names.has(name)) return `there are two containers of the name ${JSON.stringify(name)}`;
    if (!image) return `container ${JSON.stringify(name)} has no image`;
    names.add(name);
  }
  return undefined;
}

type Spec = NonNullable<Pod["spec"]>;
type Finding = (spec: Spec, containers: readonly Container[]) => unknown;

const volumes =
  (find: (volume: Volume) => unknown): Finding =>
  (spec) =>
    (spec.volumes ?? []).some(find);

/** What would have to be asked of the API. */
const FORBIDDEN: Readonly<Record<string, Finding>> = {
  serviceaccounts: ({ serviceAccountName }) => serviceAccountName,
  secrets: (spec, containers) =>
    spec.imagePullSecrets?.length ||
    volumes(({ secret, projected }) => secret ?? projected?.sources?.some((source) => source.secret))(
      spec,
      containers,
    ) ||
    environment(containers, "secretRef", "secretKeyRef"),
  configmaps: (spec, containers) =>
    volumes(({ configMap, projected }) => configMap ?? projected?.sources?.some((source) => source.configMap))(
      spec,
      containers,
    ) || environment(containers, "configMapRef", "configMapKeyRef"),
  persistentvolumeclaims: volumes(({ persistentVolumeClaim, ephemeral }) => persistentVolumeClaim ?? ephemeral),
  "service account tokens": volumes(({ projected }) =>
    projected?.sources?.some((source) => source.serviceAccountToken ?? source.clusterTrustBundle),
  ),
  resourceclaims: ({ resourceClaims }) => resourceClaims?.length,
  "ephemeral containers": ({ ephemeralContainers }) => ephemeralContainers?.length,
};

function environment(
  containers: readonly Container[],
  whole: "secretRef" | "configMapRef",
  key: "secretKeyRef" | "configMapKeyRef",
): boolean {
  return containers.some(
    ({ envFrom = [], env = [] }) =>
      envFrom.some((from) => from[whole]) || env.some(({ valueFrom }) => valueFrom?.[key]),
  );
}

function referenceProblem(spec: Spec, containers: readonly Container[]): string | undefined {
  const found = Object.entries(FORBIDDEN).find(([, refers]) => refers(spec, containers));
  return found && `static pods may not reference ${found[0]}`;
}
