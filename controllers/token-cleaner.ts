/**
 * Token cleaner: deletes bootstrap tokens that have expired.
 *
 * An expired token is refused at once, cleaned or not: machinery/objects/bootstrap-token.ts. One without an end stays.
 */
import { again, defineController, done, type Outcome } from "../machinery/loop/controller.ts";
import { BOOTSTRAP_TOKEN, expiresAt, TOKEN_NAMESPACE } from "../machinery/objects/bootstrap-token.ts";
import { isNotFound } from "../machinery/objects/status.ts";

export const tokenCleanerController = defineController({
  name: "token-cleaner",
  watches: {
    secrets: ({ key, object, type }) =>
      type !== "deleted" && object.type === BOOTSTRAP_TOKEN && object.metadata.namespace === TOKEN_NAMESPACE
        ? [key]
        : [],
  },

  async reconcile(key, { secrets, client, clock }): Promise<Outcome> {
    const secret = secrets.get(key);
    if (!secret || secret.metadata.deletionTimestamp) return done;
    const ends = expiresAt(secret);
    if (ends === undefined) return done;
    if (ends > clock.now()) return again(ends - clock.now());

    const { namespace, name, uid, resourceVersion } = secret.metadata;
    try {
      await client.delete("secrets", { namespace, name }, { preconditions: { uid, resourceVersion } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return done;
  },
});
