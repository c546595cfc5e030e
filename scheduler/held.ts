/**
 * Held: what a node keeps for a container whose resources are being changed in place. Pure.
 *
 * Until its node has carried a resize out, the larger of what it asks for, what it was granted and what it
 * has counts; a resize that no such node could ever grant counts for nothing. So room is never promised
 * twice, and never kept for what will not come.
 * https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/
 */
import type { Container, ContainerStatus, Pod } from "../machinery/objects/kinds.ts";
import { sameStrings } from "./same.ts";

type Amounts = Readonly<Record<string, string>>;

/** The lists of which the largest of each resource counts; one, for all that is not being resized. */
export function heldRequests(pod: Pod, { name, resources }: Container): readonly Amounts[] {
  const asked = resources?.requests ?? {};
  const status = pod.spec?.nodeName ? statusOf(pod, name) : undefined;
  const granted = status?.allocatedResources;
  if (!granted) return [asked];
  const has = status.resources?.requests ?? granted;
  if (covers(granted, asked) && covers(has, asked)) return [asked];
  return isInfeasible(pod) ? [granted, has] : [asked, granted, has];
}

/** Whether nothing of this differs between two versions of a Pod with the same spec. */
export function holdsTheSame(before: Pod, after: Pod): boolean {
  if (before.status === after.status) return true;
  const { containers = [], initContainers = [] } = after.spec ?? {};
  const same = (container: Container): boolean => {
    const [was, is] = [heldRequests(before, container), heldRequests(after, container)];
    return was.length === is.length && is.every((list, index) => sameStrings(list, was[index]));
  };
  return containers.every(same) && initContainers.every(same);
}

type Statuses = readonly ContainerStatus[] | undefined;

function statusOf({ status }: Pod, name: string): ContainerStatus | undefined {
  const of = (list: Statuses) => list?.find((one) => one.name === name);
  return of(status?.containerStatuses) ?? of(status?.initContainerStatuses);
}

const isInfeasible = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, reason }) => type === "PodResizePending" && reason === "Infeasible") ?? false;

/** As the API writes amounts, in one way only, equal ones are equal texts. */
const covers = (list: Amounts, asked: Amounts): boolean =>
  Object.entries(asked).every(([name, amount]) => list[name] === amount);
