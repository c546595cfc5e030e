/**
 * Server side: applies a manifest by the server, and takes over what client-side apply owned.
 *
 * Whoever applied from the client before owns fields as an updater, so that leaving one out would not remove it.
 * Those entries become the applier's own, by a patch of managedFields, and the manifest is applied once more.
 */
import { ApiError, isConflict } from "../machinery/objects/status.ts";
import type { KubeObject } from "../machinery/objects/wire.ts";
import type { Cluster } from "./cluster.ts";
import { resourcePath } from "./discovery.ts";
import { CommandError } from "./errors.ts";
import { LAST_APPLIED } from "./last-applied.ts";
import type { Manifest } from "./manifests.ts";

export const SERVER_SIDE_MANAGER = "kubectl";
const CLIENT_SIDE_MANAGERS: ReadonlySet<string> = new Set(["kubectl-client-side-apply", "before-first-apply"]);
const ANNOTATION_MANAGER = "kubectl-last-applied";
const ATTEMPTS = 5;

export interface ServerSideOptions {
  readonly manager: string;
  readonly force: boolean;
  /** fieldValidation, dryRun. */
  readonly query: Readonly<Record<string, string>>;
  readonly warn: (text: string) => void;
}

export async function applyServerSide(
  cluster: Cluster,
  manifest: Manifest,
  options: ServerSideOptions,
): Promise<KubeObject> {
  const applied = await send(cluster, manifest, manifest.object, options);
  if (options.query["dryRun"] || !entriesOf(applied).some(isClientSide)) return applied;
  try {
    await keepAnnotation(cluster, manifest, applied, options);
    await takeOver(cluster, manifest, options.manager);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    options.warn(
      `server rejected managed fields migration to Server-Side Apply. This is non-fatal and will be retried next time you apply. Error: ${why}`,
    );
    return applied;
  }
  return send(cluster, manifest, manifest.object, options);
}

async function send(
  cluster: Cluster,
  { type, namespace, object: { metadata } }: Manifest,
  body: unknown,
  { manager, force, query }: Pick<ServerSideOptions, "manager" | "force" | "query">,
): Promise<KubeObject> {
  try {
    return await cluster.request<KubeObject>({
      method: "PATCH",
      path: resourcePath(type, namespace, metadata.name),
      query: { ...query, fieldManager: manager, force: String(force) },
      headers: { "content-type": "application/apply-patch+yaml" },
      body,
    });
  } catch (error) {
    const conflicts =
      isConflict(error) && error.details?.causes?.some(({ reason }) => reason === "FieldManagerConflict");
    throw conflicts ? new CommandError(`${error.message}\n${ADVICE}`) : error;
  }
}

const ADVICE = `Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the \`--force-conflicts\` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts`;

type Fields = Readonly<Record<string, object>>;

interface Entry {
  readonly manager?: string;
  readonly operation?: string;
  readonly apiVersion?: string;
  readonly subresource?: string;
  readonly fieldsV1?: Fields;
}

const entriesOf = ({ metadata }: KubeObject): readonly Entry[] => (metadata.managedFields ?? []) as readonly Entry[];

const isClientSide = ({ manager = "", operation, subresource }: Entry): boolean =>
  operation === "Update" && !subresource && CLIENT_SIDE_MANAGERS.has(manager);

/** The annotation must not go with those who owned it: a manager of its own holds it. */
async function keepAnnotation(
  cluster: Cluster,
  manifest: Manifest,
  { apiVersion, kind, metadata }: KubeObject,
  options: ServerSideOptions,
): Promise<void> {
  const value = metadata.annotations?.[LAST_APPLIED];
  if (options.manager !== SERVER_SIDE_MANAGER || value === undefined) return;
  const { name, namespace } = metadata;
  const place = { name, ...(namespace ? { namespace } : {}) };
  const annotation = { apiVersion, kind, metadata: { ...place, annotations: { [LAST_APPLIED]: value } } };
  await send(cluster, manifest, annotation, { manager: ANNOTATION_MANAGER, force: false, query: {} });
}

async function takeOver(cluster: Cluster, { type, namespace, object }: Manifest, manager: string): Promise<void> {
  const path = resourcePath(type, namespace, object.metadata.name);
  for (let attempt = 1; ; attempt++) {
    const live = await cluster.request<KubeObject>({ method: "GET", path });
    const entries = entriesOf(live);
    if (!entries.some(isClientSide)) return;
    const body = [
      { op: "replace", path: "/metadata/managedFields", value: upgraded(entries, manager) },
      { op: "replace", path: "/metadata/resourceVersion", value: live.metadata.resourceVersion },
    ];
    const headers = { "content-type": "application/json-patch+json" };
    try {
      await cluster.request({ method: "PATCH", path, query: { fieldManager: manager }, headers, body });
      return;
    } catch (error) {
      if (!(error instanceof ApiError) || !isConflict(error) || attempt >= ATTEMPTS) throw error;
    }
  }
}

/** The client-side entries joined into the applier's own, or into the first of them, which becomes that. */
export function upgraded(entries: readonly Entry[], manager: string): readonly Entry[] {
  const isOwn = (entry: Entry) => entry.manager === manager && entry.operation === "Apply" && !entry.subresource;
  const target = entries.find(isOwn) ?? entries.find(isClientSide);
  if (!target) return entries;
  const fieldsV1 = entries
    .filter((entry) => isClientSide(entry) && entry.apiVersion === target.apiVersion)
    .reduce<Fields>((all, entry) => union(all, entry.fieldsV1 ?? {}), target.fieldsV1 ?? {});
  const own: Entry = { ...target, manager, operation: "Apply", fieldsV1 };
  return entries.flatMap((entry) => (entry === target ? [own] : isClientSide(entry) ? [] : [entry]));
}

/** Of FieldsV1 trees: `{}` stands for the place itself, "." does where there is more. */
function union(a: Fields, b: Fields): Fields {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => key !== ".").sort();
  if (keys.length === 0) return {};
  const here = isHere(a) || isHere(b) ? { ".": {} } : {};
  const join = (key: string): object => {
    const [left, right] = [a[key], b[key]] as [Fields | undefined, Fields | undefined];
    return left && right ? union(left, right) : ((left ?? right) as object);
  };
  return { ...here, ...Object.fromEntries(keys.map((key) => [key, join(key)])) };
}

const isHere = (fields: Fields): boolean => "." in fields || Object.keys(fields).length === 0;
