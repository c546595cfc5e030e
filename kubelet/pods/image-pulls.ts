/**
 * Image pulls: makes sure that a container's image is there, by its pull policy, with back-off.
 *
 * Pulls of one image with the same secrets are one pull; only so many go on at a time. Back-off is kept per Pod and
 * image and bounded by the Pods there are. An image that is here is for those who could have pulled it
 * (images/pull-records.ts). What pulling itself does is the runtime's business.
 */
import type { EventRecorder } from "../../machinery/loop/controller.ts";
import type { Pod, Secret, Volume } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { ImageService } from "../cri/contract.ts";
import type { Image, PodSandboxConfig } from "../cri/messages.ts";
import { createPullGate } from "../images/pull-gate.ts";
import { noPullRecords, type PullRecords } from "../images/pull-records.ts";
import { type Backoff, INITIAL_BACKOFF_MS, MAX_BACKOFF_MS, preciseGoDuration } from "./backoff.ts";
import { StartFailure, step } from "./failures.ts";
import { fieldPath, type RoleContainer } from "./pod-spec.ts";
import { credentialsFor, type PullCredential } from "./pull-secrets.ts";

export interface ImagePulls {
  /** Rejects with a StartFailure: ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName. */
  ensure(pod: Pod, entry: RoleContainer): Promise<Image>;
  /** The same, of a volume that is an image. */
  ensureVolume(pod: Pod, source: ImageSource): Promise<Image>;
  forget(uid: string): void;
}

export type ImageSource = NonNullable<Volume["image"]>;

/** What is to be there, and which field of the Pod wants it. */
interface Wanted {
  readonly image: string;
  readonly policy: string;
  readonly path?: string;
}

export interface ImagePullsContext {
  readonly cri: ImageService;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly secret: (namespace: string, name: string) => Promise<Secret | undefined>;
  readonly sandboxConfig: (pod: Pod) => PodSandboxConfig;
  readonly records?: PullRecords;
  /** As many images at a time; undefined for no limit. */
  readonly most?: number | undefined;
}

interface Failed extends Backoff {
  readonly message: string;
}

/** Registry host, path, tag and digest, loosely: the runtime judges the rest. */
const REFERENCE =
  /^[a-zA-Z0-9][\w.-]*(:\d+)?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?(@[a-z0-9+._-]+:[a-f0-9]+)?$/;

export function createImagePulls(context: ImagePullsContext): ImagePulls {
  const { cri, clock, events, secret, sandboxConfig, records = noPullRecords } = context;
  const gate = createPullGate(context.most);
  /** Each resolves to the milliseconds that the pull itself took. */
  const underWay = new Map<string, Promise<number>>();
  const failed = new Map<string, Map<string, Failed>>();

  async function inspect(image: string): Promise<Image | undefined> {
    return (await step("ImageInspectError", () => cri.imageStatus({ image: { image } }))).image;
  }

  async function pull(pod: Pod, { image, path }: Wanted): Promise<Image> {
    const backoff = failed.get(pod.metadata.uid)?.get(image);
    const until = backoff ? backoff.since + backoff.delayMs : 0;
    if (backoff && until > clock.now()) {
      events.normal(pod, "BackOff", `Back-off pulling image "${image}"`, path);
      events.warning(pod, "Failed", "Error: ImagePullBackOff", path);
      const message = `Back-off pulling image "${image}": ErrImagePull: ${backoff.message}`;
      throw new StartFailure("ImagePullBackOff", message, { retryMs: until - clock.now() });
    }
    events.normal(pod, "Pulling", `Pulling image "${image}"`, path);
    const began = clock.monotonic();
    let pulling: number;
    try {
      pulling = await shared(image, pod);
    } catch (error) {
      const message = (error as Error).message;
      remember(pod, image, message);
      events.warning(pod, "Failed", `Failed to pull image "${image}": ${message}`, path);
      events.warning(pod, "Failed", "Error: ErrImagePull", path);
      throw new StartFailure("ErrImagePull", message, { cause: error });
    }
    failed.get(pod.metadata.uid)?.delete(image);
    const took = preciseGoDuration(pulling);
    const waited = preciseGoDuration(clock.monotonic() - began);
    const found = await inspect(image);
    if (!found) throw new StartFailure("ErrImagePull", `image "${image}" was pulled but cannot be found`);
    const size = `Image size: ${found.size} bytes.`;
    events.normal(
      pod,
      "Pulled",
      `Successfully pulled image "${image}" in ${took} (${waited} including waiting). ${size}`,
      path,
    );
    return found;
  }

  function shared(image: string, pod: Pod): Promise<number> {
    const secrets = (pod.spec?.imagePullSecrets ?? []).map(({ name }) => name ?? "");
    const key = [image, ...(secrets.length > 0 ? [pod.metadata.namespace, ...secrets] : [])].join(" ");
    const running = underWay.get(key);
    if (running) return running;
    const started = pullNow(image, pod).finally(() => underWay.delete(key));
    underWay.set(key, started);
    return started;
  }

  async function pullNow(image: string, pod: Pod): Promise<number> {
    const credentials = await credentialsOf(pod, image, true);
    return gate.run(async () => {
      const began = clock.monotonic();
      await records.begun(image);
      try {
        await records.ended(image, await pullWith(image, pod, credentials));
      } catch (error) {
        await records.ended(image);
        throw error;
      }
      return clock.monotonic() - began;
    });
  }

  /** With each of them in turn; without any where there is none. The first refusal is the one to tell. */
  async function pullWith(image: string, pod: Pod, credentials: readonly PullCredential[]) {
    let refused: unknown;
    for (const credential of credentials.length > 0 ? credentials : [undefined]) {
      try {
        const auth = credential && { auth: credential.auth };
        const { imageRef } = await cri.pullImage({ image: { image }, sandboxConfig: sandboxConfig(pod), ...auth });
        const kept = credential && { hash: credential.hash, secret: credential.secret };
        return { id: imageRef, credential: kept };
      } catch (error) {
        refused ??= error;
      }
    }
    throw refused;
  }

  /** `tell`: says which secrets are missing. */
  async function credentialsOf(pod: Pod, image: string, tell: boolean): Promise<readonly PullCredential[]> {
    const names = (pod.spec?.imagePullSecrets ?? []).map(({ name }) => name ?? "");
    const found = await Promise.all(
      names.map((name) => secret(pod.metadata.namespace ?? "", name).catch(() => undefined)),
    );
    const missing = names.filter((_name, index) => !found[index]);
    if (tell && missing.length > 0) {
      const message = `Unable to retrieve some image pull secrets (${missing.join(", ")}); attempting to pull the image may not succeed.`;
      events.warning(pod, "FailedToRetrieveImagePullSecret", message);
    }
    return credentialsFor(
      image,
      found.filter((one) => one !== undefined),
    );
  }

  /** Present, and for this Pod to use. */
  async function usable(pod: Pod, image: string, present: Image): Promise<boolean> {
    return records.allows(image, present.id, await credentialsOf(pod, image, false));
  }

  function remember(pod: Pod, image: string, message: string): void {
    const images = failed.get(pod.metadata.uid) ?? new Map<string, Failed>();
    failed.set(pod.metadata.uid, images);
    const before = images.get(image);
    const delayMs = before ? Math.min(before.delayMs * 2, MAX_BACKOFF_MS) : INITIAL_BACKOFF_MS;
    images.set(image, { delayMs, since: clock.now(), message });
  }

  async function ensureWanted(pod: Pod, wanted: Wanted): Promise<Image> {
    const { image, policy, path } = wanted;
    if (!REFERENCE.test(image)) {
      const message = `couldn't parse image name "${image}": invalid reference format`;
      events.warning(pod, "InspectFailed", `Failed to apply default image tag "${image}": ${message}`, path);
      throw new StartFailure("InvalidImageName", `Failed to apply default image tag "${image}": ${message}`);
    }
    const present = policy === "Always" ? undefined : await inspect(image);
    const allowed = present && (await usable(pod, image, present));
    if (present && allowed) {
      events.normal(pod, "Pulled", `Container image "${image}" already present on machine`, path);
      return present;
    }
    if (policy === "Never") {
      const message = present
        ? `Container image "${image}" is present with pull policy of Never but does not have the proper credentials to access the image`
        : `Container image "${image}" is not present with pull policy of Never`;
      events.warning(pod, "ErrImageNeverPull", message, path);
      throw new StartFailure("ErrImageNeverPull", message);
    }
    return pull(pod, wanted);
  }

  return {
    async ensure(pod, entry) {
      const { image = "", imagePullPolicy: policy = "IfNotPresent" } = entry.container;
      return ensureWanted(pod, { image, policy, path: fieldPath(entry) });
    },
    async ensureVolume(pod, { reference: image = "", pullPolicy: policy = "IfNotPresent" }) {
      return ensureWanted(pod, { image, policy });
    },
    forget: (uid) => void failed.delete(uid),
  };
}
