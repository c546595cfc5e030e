/**
 * Selection: which objects a command line means: `pods web api`, `pod/web svc/web`, `pods,svc -l app=web`,
 * `all`, or the objects of `-f` files.
 *
 * Parsing needs only discovery; `objectsOf` asks the server where a selector or a whole type is meant.
 */
import { ApiError } from "../machinery/objects/status.ts";
import type { KubeObject } from "../machinery/objects/wire.ts";
import type { Cluster } from "./cluster.ts";
import { apiVersionOf, type ResourceType, resolveType, resourcePath, typesOfCategory } from "./discovery.ts";
import { CommandError } from "./errors.ts";

/** Objects of one type: some by name, or all that the selectors leave. */
export interface Selected {
  readonly type: ResourceType;
  readonly names: readonly string[] | undefined;
}

export interface ObjectRef {
  readonly type: ResourceType;
  readonly namespace: string | undefined;
  readonly name: string;
}

export interface FoundObject extends ObjectRef {
  readonly object: KubeObject;
}

export interface Narrowing {
  readonly selector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly allNamespaces?: boolean | undefined;
}

export async function parseSelection(cluster: Cluster, args: readonly string[]): Promise<readonly Selected[]> {
  const discovery = await cluster.discovery();
  const first = args[0] ?? "";
  if (args.some((arg) => arg.includes("/"))) {
    return args.map((arg) => {
      const [typeText = "", name = "", ...more] = arg.split("/");
      if (!arg.includes("/")) throw mixed();
      if (more.length > 0) throw new CommandError("arguments in resource/name form may not have more than one slash");
      if (typeText === "" || name === "") {
        throw new CommandError("arguments in resource/name form must have a single resource and name");
      }
      return { type: resolveType(discovery, typeText), names: [name] };
    });
  }
  const types = first.split(",").flatMap((text) => {
    const category = typesOfCategory(discovery, text.toLowerCase());
    return category.length > 0 ? category : [resolveType(discovery, text)];
  });
  const names = args.slice(1);
  return types.map((type) => ({ type, names: names.length > 0 ? names : undefined }));
}

function mixed(): CommandError {
  return new CommandError(
    "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'",
  );
}

/** Where a type is looked for: undefined for all namespaces and for cluster-scoped types. */
export function namespaceFor(type: ResourceType, cluster: Cluster, allNamespaces = false): string | undefined {
  return type.namespaced && !allNamespaces ? cluster.namespace : undefined;
}

export function queryOf({ selector, fieldSelector }: Narrowing): Record<string, string> {
  return {
    ...(selector ? { labelSelector: selector } : {}),
    ...(fieldSelector ? { fieldSelector } : {}),
  };
}

/** A line without any resource. */
export const NOTHING_NAMED = `You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'`;

const PAGE = "500";

/** Every object that is meant, as the server has it; `onError` takes what could not be read and goes on. */
export async function objectsOf(
  cluster: Cluster,
  selection: readonly Selected[],
  narrowing: Narrowing,
  onError: (error: unknown) => void,
): Promise<FoundObject[]> {
  const found: FoundObject[] = [];
  for (const { type, names } of selection) {
    const namespace = namespaceFor(type, cluster, narrowing.allNamespaces);
    if (names && narrowing.selector) throw new CommandError("name cannot be provided when a selector is specified");
    if (names && narrowing.allNamespaces && type.namespaced) {
      throw new CommandError("a resource cannot be retrieved by name across all namespaces");
    }
    try {
      if (!names) found.push(...(await listAll(cluster, type, namespace, narrowing)));
    } catch (error) {
      onError(error);
    }
    for (const name of names ?? []) {
      try {
        const object = await cluster.request<KubeObject>({ method: "GET", path: resourcePath(type, namespace, name) });
        found.push({ type, namespace, name, object });
      } catch (error) {
        onError(error);
      }
    }
  }
  return found;
}

/** All objects of a type, page by page; each with the kind that lists leave out. */
export async function listAll(
  cluster: Cluster,
  type: ResourceType,
  namespace: string | undefined,
  narrowing: Narrowing = {},
): Promise<FoundObject[]> {
  const found: FoundObject[] = [];
  let next = "";
  do {
    const query = { ...queryOf(narrowing), limit: PAGE, ...(next ? { continue: next } : {}) };
    const path = resourcePath(type, namespace);
    const page = await cluster
      .request<{ metadata: { continue?: string }; items: KubeObject[] | null }>({ method: "GET", path, query })
      .catch((error: unknown) => {
        throw listFailure(error, type, narrowing);
      });
    for (const item of page.items ?? []) {
      const object = { ...item, apiVersion: apiVersionOf(type), kind: type.kind };
      found.push({ type, namespace: item.metadata.namespace, name: item.metadata.name ?? "", object });
    }
    next = page.metadata.continue ?? "";
  } while (next !== "");
  return found;
}

/** Says what was looked for when a list is refused: selectors are easily mistyped. */
export function listFailure(
  error: unknown,
  type: ResourceType,
  { selector = "", fieldSelector = "" }: Narrowing,
): unknown {
  if (!(error instanceof ApiError) || (error.code !== 400 && error.code !== 404)) return error;
  const what = JSON.stringify(`${type.group}/${type.version}, Resource=${type.plural}`);
  const wanted = `that match label selector ${JSON.stringify(selector)}, field selector ${JSON.stringify(fieldSelector)}`;
  const before = selector || fieldSelector ? `Unable to find ${what} ${wanted}` : `Unable to list ${what}`;
  return new ApiError(error.reason, `${before}: ${error.message}`, error.details, error.code);
}
